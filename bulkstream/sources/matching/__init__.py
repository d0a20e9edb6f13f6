"""The source's columns and the dataset's: which belong together, and whether values fit.

*Chosen* columns are those that are to be loaded. *Pairing* goes by names alone; a *match* knows types too, and what it
*finds* to differ is shown as a table of *conflicts*.
"""
