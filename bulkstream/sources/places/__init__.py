"""Where bytes are: local disks, buckets, web servers, SFTP servers.

A *blob* is a file or object that can be read from any offset. An *address* is a URL taken apart, an *origin* what
answers for ranges of one object, on *terms*: how often, how patiently, how much at once. Transfers run in the
*background*, on an event loop of their own.
"""
