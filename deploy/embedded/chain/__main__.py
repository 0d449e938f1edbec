"""Run the chain: `python -m deploy.embedded.chain --data FOLDER --port 8545`."""

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from deploy.embedded.chain.log import Untrustworthy
from deploy.embedded.chain.node import Cadence, Node
from deploy.embedded.chain.rpc import Rpc
from deploy.embedded.chain.server import Server

REFUSED = 3


def main() -> int:
    """Serve until SIGTERM or SIGINT; 3 if the folder cannot be trusted."""
    options = _options()
    cadence = Cadence(options.block_time, options.idle_blocks, options.finality)
    try:
        node = Node(options.data, cadence, in_memory=options.log_only)
    except Untrustworthy as error:
        print("refused:", error, file=sys.stderr)
        return REFUSED
    rpc = Rpc(node, may_move_time=options.test)
    server = Server(options.port, rpc)

    def stop_serving(*_: object) -> None:
        # shutdown() waits for the loop that this handler interrupts.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop_serving)
    signal.signal(signal.SIGINT, stop_serving)
    stop = threading.Event()
    blocks = threading.Thread(target=node.run_blocks, args=(stop,), daemon=True)
    blocks.start()
    print("ready", json.dumps(rpc.node_info()), flush=True)
    server.serve_forever(poll_interval=0.1)
    stop.set()
    blocks.join(5)
    node.close()
    # Threads that still hold a connection must not keep the process.
    os._exit(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chain", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the chain")
    parser.add_argument("--port", type=int, default=8545)
    parser.add_argument("--block-time", type=float, default=2.0, help="seconds; 0: one a block")
    parser.add_argument("--idle-blocks", type=int, default=8, help="empty blocks after the last")
    parser.add_argument("--finality", type=int, default=2, help="how far finalized lags, in blocks")
    parser.add_argument("--test", action="store_true", help="allow evm_increaseTime")
    parser.add_argument(
        "--log-only", action="store_true", help="keep the state in memory, made from the log"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
