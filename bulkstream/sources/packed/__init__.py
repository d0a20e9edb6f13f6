"""Packed content, unpacked while it is read.

A *packing* (gzip, zstd, …) is told by first bytes. An *engine* unpacks one *frame* after the other, and is fed by a
*feed*, which knows at which packed byte it is. A zip archive has *members*, each a content of its own.
"""
