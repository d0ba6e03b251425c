"""What a process writes is there as soon as it was written, for whoever looks."""

import os

from heeler.plugins.conformance.output import Output


def test_what_was_written_is_there_at_once() -> None:
    """Not only once the thread that collects it has had its turn."""
    output = Output()
    for number in range(200):
        line = b"line %d\n" % number
        os.write(output.writer, line)
        assert output.text(output.size() - len(line)) == line.decode()
    os.close(output.writer)
    assert output.wait_ended(10.0)
    assert output.text().count("line") == 200


def test_waiting_for_a_phrase() -> None:
    """It ends when the phrase is there as often as is wanted, or can come no more."""
    output = Output()
    os.write(output.writer, b"one two one")
    assert output.wait_for("one", 2, 0, 10.0)
    os.close(output.writer)
    assert not output.wait_for("one", 3, 0, 10.0)
    assert output.wait_ended(10.0)
