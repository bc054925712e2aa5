"""
The only voice from a kernel to the coordinating body's room.

Each session has a socket of its own, and the socket is the identity: a kernel cannot speak as another
analyst, because no other socket exists in its world. Requests and answers are lines of JSON. What crosses to
the kernel is a result that a verb chose to give, or one of our own sentences; never a library's text, which
might quote the data it failed on.
"""
