"""
The controlled Jupyter environment.

The room (the server, the gateway, this package's own processes) is trusted; a kernel is not. A kernel runs
in a sandbox of the operating system: no network, only the admitted datasets, its workspace and one socket.
Where that sandbox cannot be had, no kernel starts.
"""
