"""Regions that no analysis here reads but other programs look for: names and rounded centres in mm (MNI305).

All are schematic: discs along cortex, and balls below it. Kastner2015 has NSD's own names. NSD's tables of
corticalsulc, MTL and thalamus come only with its data, so theirs are ours: programs must read the table, as with NSD.
"""

DISCS = {  # collection -> label -> |x|, y, z, radius in mm along cortex
    "Kastner2015": {  # after Wang 2015; V1v to hV4 are those of prf-visualrois
        "VO1": (28, -72, -10, 6),
        "VO2": (27, -62, -9, 6),
        "PHC1": (26, -53, -8, 6),
        "PHC2": (27, -44, -10, 6),
        "TO2": (48, -66, 4, 6),
        "TO1": (46, -73, 1, 6),
        "LO2": (41, -83, -3, 7),
        "LO1": (33, -90, 1, 7),
        "V3B": (32, -85, 14, 6),
        "V3A": (20, -91, 20, 7),
        "IPS0": (25, -81, 30, 7),
        "IPS1": (22, -75, 41, 7),
        "IPS2": (18, -70, 51, 7),
        "IPS3": (22, -61, 58, 7),
        "IPS4": (28, -54, 55, 7),
        "IPS5": (35, -45, 46, 7),
        "SPL1": (12, -60, 60, 7),
        "FEF": (36, -5, 50, 8),
    },
    "corticalsulc": {  # after common anatomical names
        "CS": (40, -22, 52, 10),
        "PrCS": (40, 2, 46, 9),
        "PoCS": (42, -34, 50, 9),
        "SFS": (25, 16, 50, 9),
        "SFRS": (26, 30, 40, 9),
        "IFS": (42, 22, 24, 9),
        "MFG": (38, 38, 28, 10),
        "IFG": (50, 22, 10, 10),
        "SFG": (12, 40, 46, 10),
        "LS": (48, -22, 14, 10),
        "STS": (52, -36, 4, 11),
        "STG": (60, -12, 0, 10),
        "ITS": (54, -36, -14, 10),
        "OTS": (46, -46, -16, 9),
        "MFS": (36, -50, -18, 7),
        "CoS": (28, -56, -10, 9),
        "PHG": (24, -26, -20, 9),
        "CaS": (12, -78, 6, 11),
        "POS": (14, -66, 22, 9),
        "LOS": (38, -84, 2, 10),
        "TOS": (30, -80, 18, 9),
        "IPS": (30, -58, 46, 10),
        "SPL": (16, -62, 60, 9),
        "CgS": (10, 10, 44, 10),
        "CGG": (6, 16, 30, 9),
        "OFC": (22, 30, -16, 11),
        "TP": (38, 14, -32, 11),
        "Ins": (36, 4, 2, 11),
    },
}
BALLS = {  # collection -> label -> |x|, y, z, radius in mm
    "MTL": {
        "CA1": (31, -22, -14, 5),
        "CA2": (27, -20, -10, 4),
        "CA3": (22, -17, -13, 4),
        "DG": (25, -26, -9, 4),
        "SUB": (19, -24, -15, 4),
        "ERC": (22, -8, -30, 5),
        "area35": (28, -14, -30, 4),
        "area36": (35, -18, -28, 5),
        "PHC": (25, -33, -18, 5),
        "HT": (25, -36, -3, 4),
    },
    "thalamus": {
        "LGN": (23, -24, -4, 4),
        "SC": (6, -33, -4, 4),
        "vPul": (15, -29, 2, 4),
        "dlPul": (18, -29, 10, 5),
        "dmPul": (9, -28, 10, 4),
    },
}
TABLES = {"corticalsulc": tuple(DISCS["corticalsulc"])}
VOLUME_TABLES = {collection: tuple(balls) for collection, balls in BALLS.items()}
