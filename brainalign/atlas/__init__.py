"""The page of flatmaps in parts: what it offers (`stock`), what is asked for (`choices`), what the maps themselves
hold (`memory`), and what is said of a region or a place (`region`, `place`). Of the live page: its pictures
(`gallery`), how sure a model was of its words (`likely`), and the response that is predicted (`predicted`)."""
