"""What people write for a place to listen is understood, or refused with what would be right."""

import pytest

from heeler.workers.address import Address


@pytest.mark.parametrize(
    ("text", "canonical", "url"),
    [
        ("127.0.0.1:8000", "127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost:0", "localhost:0", "http://localhost:0"),
        (":9000", "0.0.0.0:9000", "http://0.0.0.0:9000"),
        ("example.org", "example.org:8000", "http://example.org:8000"),
        ("tcp://127.0.0.1:80", "127.0.0.1:80", "http://127.0.0.1:80"),
        ("[::1]:8000", "[::1]:8000", "http://[::1]:8000"),
        ("[::]", "[::]:8000", "http://[::]:8000"),
        ("unix:/run/x.sock", "unix:/run/x.sock", "unix:/run/x.sock"),
        ("unix:///run/x.sock", "unix:/run/x.sock", "unix:/run/x.sock"),
        ("unix:@x", "unix:@x", "unix:@x"),
        ("fd://3", "fd://3", "fd://3"),
        ("fd://web", "fd://web", "fd://web"),
        ("fd://app@1.socket", "fd://app@1.socket", "fd://app@1.socket"),
    ],
)
def test_every_form_has_one_canonical_text(text: str, canonical: str, url: str) -> None:
    """Each form of address is understood, and its canonical text means the same."""
    address = Address.parse(text)
    assert str(address) == canonical
    assert address.url == url
    assert Address.parse(canonical) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "HOST:PORT"),
        ("8000", "127.0.0.1:8000"),
        ("::1", "[IPV6]:PORT"),
        ("[::1:8000", "[IPV6]:PORT"),
        ("[nonsense]:80", "no IPv6 address"),
        ("localhost:http", "no port"),
        ("localhost:65536", "no port"),
        ("http://localhost:80", "[IPV6]:PORT"),
        ("/run/x.sock", "unix:PATH"),
        ("unix:", "unix:PATH"),
        ("unix:" + "x" * 108, "at most 107"),
        ("fd://x:y", "fd://NAME"),
        ("fd://x,y", "fd://NAME"),
        ("fd://12345678901", "fd://N"),
        ("fd://" + "x" * 256, "fd://NAME"),
        ("fd://", "fd://N"),
    ],
)
def test_a_wrong_address_says_what_would_be_right(text: str, says: str) -> None:
    """A text that is no address is refused with a hint at the right form."""
    with pytest.raises(ValueError) as refused:
        Address.parse(text)
    assert says in str(refused.value)


def test_an_abstract_name_comes_back_from_the_kernel() -> None:
    """What getsockname says of an abstract or a path socket becomes its address."""
    assert str(Address.of_unix(b"\0x")) == "unix:@x"
    assert str(Address.of_unix("/run/x")) == "unix:/run/x"
    assert Address.of_unix(b"\0x").is_abstract
