"""Text in other encodings and dialects.

A *dialect* says what separates fields, quotes them and ends records; it is *sniffed* from a *sample*. *Delimited* text
is cut into *pieces* of whole records, which are parsed by Arrow; *tokens* are what is exact where Arrow is not.
"""
