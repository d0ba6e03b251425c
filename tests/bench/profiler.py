"""Show where the time of one server goes: its calls of the kernel per request, and its functions by own time.

Run: python tests/bench/profiler.py [--server NAME] [--headers KIND] [--seconds S] [--top N] [--lines] [--no-native]

The load is that of bench.py. The two looks are two runs, since a traced server is slow: `strace -c` counts calls of the
kernel, `py-spy record` samples stacks, those of C extensions too. (The file is not called profile.py: beside bench.py
that would hide the standard library's module of this name.)
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import chosen, prepare, processors
from loadbench import environment, load, processes
from loadbench.environment import EnvironmentUnfit, say
from loadbench.load import HEADERS, LoadError
from loadbench.profile_text import parse_stacks, parse_strace_counts
from loadbench.running import NotServing, Running, serving
from loadbench.servers import SERVERS, SUBJECT, group_of

SAMPLES_PER_SECOND = 500
TOOL_TIMEOUT_S = 20.0
OUTPUT = environment.HOME / "profile"


class ToolFailed(Exception):
    """strace or py-spy did not do its work."""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Show where the time of a server goes.")
    parser.add_argument("--server", default=SUBJECT, choices=[server.name for server in SERVERS])
    parser.add_argument("--headers", choices=HEADERS, help="of the requests (browser; a WebSocket's row has none)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each of the two runs (5)")
    parser.add_argument("--top", type=int, default=25, help="how many functions to print (25)")
    parser.add_argument("--lines", action="store_true", help="tell lines apart, not only functions")
    parser.add_argument("--no-native", action="store_true", help="leave out C extensions: less disturbance")
    return parser.parse_args(argv)


def busiest(target: Running, options: argparse.Namespace) -> int:
    """Return the process of the server's tree that a short load keeps busiest: the worker, whatever its place."""
    before = {stat.pid: stat.ticks for stat in processes.tree(target.pid)}
    load.run(target.port, options.headers, 1, processors()[1])
    return max(processes.tree(target.pid), key=lambda stat: stat.ticks - before.get(stat.pid, 0)).pid


@contextmanager
def attached(command: Sequence[str], ready: str) -> Iterator[None]:
    """Run a tool beside the load, from its line that holds `ready` on; end it with INT, as its user would.

    Raises: ToolFailed.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tool:
        assert tool.stderr is not None
        line = tool.stderr.readline()
        if ready not in line:
            tool.kill()
            raise ToolFailed(f"{command[0]}: {line.strip()} {tool.stderr.read().strip()}")
        try:
            yield
        finally:
            tool.send_signal(signal.SIGINT)
            try:
                tool.communicate(timeout=TOOL_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                tool.kill()


def kernel_calls(target: Running, options: argparse.Namespace) -> str:
    """Return a table of the calls of the kernel that the whole tree makes for one request.

    Raises: ToolFailed, LoadError.
    """
    output = OUTPUT / "strace.txt"
    pids = [word for stat in processes.tree(target.pid) for word in ("-p", str(stat.pid))]
    with attached(["strace", "-f", "-c", "-o", str(output), *pids], "attached"):
        result = load.run(target.port, options.headers, options.seconds, processors()[1])
    lines = [f"calls of the kernel per request ({result.requests} requests, all processes of the server)"]
    for call in parse_strace_counts(output.read_text()):
        if call.count >= result.requests / 1000:
            failed = f"  ({call.errors / result.requests:.3f} failed)" if call.errors else ""
            lines.append(f"{call.count / result.requests:9.3f}  {call.name}{failed}")
    return "\n".join(lines)


def sample_stacks(target: Running, options: argparse.Namespace) -> Path:
    """Sample the busiest process under load and return the file of stacks.

    Raises: ToolFailed, LoadError.
    """
    pid, output = busiest(target, options), OUTPUT / "stacks.txt"
    command = [str(environment.VENV / "bin" / "py-spy"), "record", "--pid", str(pid), "--format", "raw"]
    command += ["--rate", str(SAMPLES_PER_SECOND), "--duration", str(max(1, round(options.seconds)))]
    command += ["--output", str(output), "--full-filenames"] + ["--nolineno"] * (not options.lines)
    command += ["--native"] * (not options.no_native)
    output.unlink(missing_ok=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as spy:
        # The load begins a little before py-spy has attached and outlasts it by a second.
        load.run(target.port, options.headers, options.seconds + 2, processors()[1])
        try:
            said, _ = spy.communicate(timeout=TOOL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            spy.kill()
            raise ToolFailed(f"py-spy did not end {TOOL_TIMEOUT_S:g} s after the load") from None
    if not output.exists():
        raise ToolFailed(f"py-spy: {said.strip()[-500:]}")
    return output


def short(frame: str) -> str:
    """Return a frame without the folders that all have in common."""
    for folder in (str(environment.VENV / "lib"), str(environment.CHECKOUT)):
        frame = frame.replace(folder, "")
    return frame.replace(f"/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/", "")


def hot_functions(stacks: Path, top: int) -> str:
    """Return a table of the functions that ran most, by own time."""
    samples = parse_stacks(stacks.read_text())
    if not samples.total:
        raise ToolFailed("py-spy took no sample of a running thread")
    lines = [
        f"functions by own time ({samples.total} samples, {samples.waiting} more while it waited; all in {stacks})",
        "   own  with callees",
    ]
    for frame, own in samples.own.most_common(top):
        lines.append(f"{own / samples.total:6.1%}  {samples.inclusive[frame] / samples.total:6.1%}  {short(frame)}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Profile one server; return the exit status."""
    options = arguments(argv)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    try:
        environment.install_debian_packages(("wrk", "taskset", "strace"))
        (server,) = chosen(options.server)
        (row,) = prepare([server])
        if row.failure:
            raise EnvironmentUnfit(row.failure)
        options.headers = options.headers or group_of(server).kinds[0]
        environment.install_requirements(environment.BENCH / "requirements-profile.txt")
        with serving(server, processors()[0]) as target:
            stacks = sample_stacks(target, options)
            print(hot_functions(stacks, options.top), end="\n\n")
            print(kernel_calls(target, options))
    except (EnvironmentUnfit, NotServing, LoadError, ToolFailed) as error:
        say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
