"""Arrow batches as the server's CSV.

A *renderer* writes the lines of a batch; each Arrow type has a rule by which its values become *text*. A *misfit* is a
value that has none.
"""
