"""Stands in for the Python interpreter where a reading process is started: has `reader_forks` fork one instead.

It passes its arguments and its standard streams on, waits, and ends as the fork ended. When it is killed, so is the
fork. It saves the import of NumPy and h5py, nothing else.
"""

import array
import json
import os
import signal
import socket
import sys


def main() -> None:
    """Asks for the fork and ends as it did."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ["READER_FORKS"])
        streams = array.array("i", [0, 1, 2]).tobytes()
        server.sendmsg([json.dumps(sys.argv[1:]).encode() + b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        # The fork holds the streams now: whoever reads or writes their other ends must see its end, not this one's.
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        status = int(server.makefile().readline() or 70)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main()
