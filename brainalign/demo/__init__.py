"""The embedded demo: simulated scenes, a simulated cortex in NSD's file layout, and small models trained for it."""
