"""Fetching by address, from real servers: bounded in bytes and seconds, and not from addresses that are not public."""

import base64
import gzip
import http.server
import io
import socket
import threading
import time

import pytest
from conftest import make_picture

import fetching_moda
from fetching_moda import fetch, is_public
from pictures_moda import load_picture


buffer = io.BytesIO()
make_picture(3).save(buffer, "PNG")
PNG = buffer.getvalue()
PAGE = b"\n<!DOCTYPE html><html><body>Not found</body></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the path says."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        kind, _, rest = self.path[1:].partition("/")
        kind = "png" if self.path.startswith("http://") else kind  # as a proxy
        self.server.asked.append(self.path)
        if kind == "to":
            return self.answer(b"", 302, Location=rest)
        answers = {
            "png": (PNG,),
            "page": (PAGE,),
            "zipped": (gzip.compress(PNG * 100),),
            "nothing": (b"",),
            "less": (PNG, 200, len(PNG) - 40),
            "more": (PNG, 200, len(PNG) + 40),
            "huge": (b"x" * 1000, 200, 10**12),
        }
        if kind in answers:
            return self.answer(*answers[kind])
        assert kind in ("endless", "drip"), kind
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.over.is_set():
                self.wfile.write(b"x" * (2**16 if kind == "endless" else 1))
                if kind == "drip":
                    time.sleep(0.05)
        except OSError:  # the other side has gone, as it should
            self.server.gone.set()

    def answer(self, content, status=200, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def servers():
    """Two servers on this machine, which are not public in truth; tests take 127.0.0.2 for public."""
    started = {}
    for host in ("127.0.0.1", "127.0.0.2"):
        server = started[host] = http.server.ThreadingHTTPServer((host, 0), Handler)
        server.asked, server.gone, server.over = [], threading.Event(), threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield started
    for server in started.values():
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def address(servers, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for server in servers.values():
        server.asked.clear()
        server.gone.clear()
    return lambda path, host="127.0.0.1": f"http://{host}:{servers[host].server_port}/{path}"


def second_is_public(place):
    return place == "127.0.0.2"


PRIVATE = """127.0.0.1 127.8.8.8 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1
239.1.1.1 240.0.0.1 255.255.255.255 192.0.2.1 198.18.0.1 203.0.113.5 :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12:3456::1 fec0::1
ff02::1 2001:db8::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 2002:7f00:1:: 2002:c0a8:101::1
64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::a00:1 2001::1 100::1"""
PUBLIC = "8.8.8.8 93.184.216.34 172.32.0.1 100.128.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1"


@pytest.mark.parametrize("place", PRIVATE.split())
def test_addresses_that_are_not_public(place):
    assert is_public(place) is False


@pytest.mark.parametrize("place", PUBLIC.split())
def test_public_addresses(place):
    assert is_public(place) is True


def test_a_picture_is_fetched(address):
    assert fetch(address("png")) == PNG
    assert fetch(address("to/" + address("png", "127.0.0.2"))) == PNG
    assert load_picture(address("png").replace("http", "HTTP")) == load_picture(PNG)
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert load_picture(url, allow_private=False) == load_picture(PNG)


def test_letters_of_any_language(address, servers):
    assert fetch(address("png/blå jakke/ä.png?größe=1 2&x=%20")) == PNG
    assert servers["127.0.0.1"].asked == ["/png/bl%C3%A5%20jakke/%C3%A4.png?gr%C3%B6%C3%9Fe=1%202&x=%20"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_private_addresses_are_refused_before_anything_is_sent(address, servers, host):
    url = address("png").replace("127.0.0.1", host)
    with pytest.raises(ValueError) as raised:
        load_picture(url, allow_private=False)
    said = str(raised.value)
    assert said.startswith(f"{url} is not fetched, because {host.strip('[]')} is at ") and "\n" not in said
    assert "no public address; pass allow_private=True (--allow-private-urls) if you trust where it leads." in said
    assert servers["127.0.0.1"].asked == []


def test_a_redirect_to_a_private_address_is_refused(address, servers):
    url = address("to/" + address("png"), "127.0.0.2")
    with pytest.raises(
        ValueError, match=f"^{url} is not fetched, because 127.0.0.1 is at 127.0.0.1, which is no public"
    ):
        fetch(url, allow_private=False, public=second_is_public)
    assert len(servers["127.0.0.2"].asked) == 1 and servers["127.0.0.1"].asked == []
    twice = address("to/" + address("to/" + address("png", "127.0.0.2"), "127.0.0.2"), "127.0.0.2")
    assert fetch(twice, allow_private=False, public=second_is_public) == PNG


@pytest.mark.parametrize("allow_private", [True, False])
@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "ftp://127.0.0.1/a.png", "gopher://127.0.0.1/", "data:,secret"]
)
def test_redirects_lead_to_web_addresses_only(address, target, allow_private):
    url = address("to/" + target, "127.0.0.2")
    with pytest.raises(ValueError, match="127.0.0.2.* could not be fetched .*check its address and the network.$"):
        fetch(url, allow_private=allow_private, public=second_is_public)


def test_names_that_change_their_address(address, servers):
    """The connection goes to the address that was looked at, whatever the name's next answer is."""
    answers = ["127.0.0.2", "127.0.0.1"]

    def resolve(host, port, **kwargs):
        assert host == "shop.example"
        return socket.getaddrinfo(answers.pop(0), port, **kwargs)

    port = servers["127.0.0.2"].server_port
    url = f"http://shop.example:{port}/png"
    assert fetch(url, allow_private=False, resolve=resolve, public=second_is_public) == PNG
    assert answers == ["127.0.0.1"] and servers["127.0.0.1"].asked == []

    def both(host, port, **kwargs):
        return [row for place in ("127.0.0.2", "127.0.0.1") for row in socket.getaddrinfo(place, port, **kwargs)]

    with pytest.raises(ValueError, match="shop.example is at 127.0.0.1, which is no public address"):
        fetch(url, allow_private=False, resolve=both, public=second_is_public)
    with pytest.raises(ValueError, match="shop.example is at 127.0.0.1"):
        fetch(url.replace("http", "https"), allow_private=False, resolve=both, public=second_is_public)


def test_proxies_are_used_only_where_all_is_trusted(address, servers, monkeypatch):
    monkeypatch.setenv("http_proxy", address("png", "127.0.0.2"))
    assert fetch("http://shop.example/a.png") == PNG
    with pytest.raises(
        ValueError, match=r"because a proxy of the environment \(http_proxy\) would look shop.example up"
    ):
        fetch("http://shop.example/a.png", allow_private=False)
    assert servers["127.0.0.2"].asked == ["http://shop.example/a.png"]
    monkeypatch.setenv("no_proxy", "127.0.0.2")
    assert fetch(address("png", "127.0.0.2"), allow_private=False, public=second_is_public) == PNG


@pytest.mark.parametrize(
    "path, sentence",
    [
        ("page", "is a web page \\(HTML\\), not a picture; give the address of the picture itself"),
        ("zipped", "can't be read as a picture"),
        ("nothing", "can't be read as a picture \\(it is empty\\)"),
        ("less", "can't be read as a picture"),
        ("more", "could not be fetched \\(it broke off"),
        ("huge", "is larger than 64 MiB, which is more than a picture may be; shrink it"),
    ],
)
@pytest.mark.parametrize("allow_private", [True, False])
def test_what_is_no_picture_is_said(address, path, sentence, allow_private):
    url = address(path, "127.0.0.2")
    with pytest.raises(ValueError, match=f"^{url} {sentence}") as raised:
        content = fetch(url, allow_private=allow_private, public=second_is_public)
        load_picture({"bytes": content, "path": url})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("allow_private", [True, False])
def test_a_body_without_end_is_cut_off(address, servers, allow_private, monkeypatch):
    monkeypatch.setattr(fetching_moda, "MOST_BYTES", 2**20)
    with pytest.raises(ValueError, match="endless is larger than 1 MiB"):
        fetch(address("endless", "127.0.0.2"), allow_private=allow_private, public=second_is_public)
    assert servers["127.0.0.2"].gone.wait(10)


@pytest.mark.parametrize("allow_private", [True, False])
def test_a_slow_server_is_left(address, servers, allow_private):
    with pytest.raises(ValueError, match="drip could not be fetched \\(it takes longer than 0.3 seconds\\)"):
        fetch(address("drip", "127.0.0.2"), None, allow_private, seconds=0.3, public=second_is_public)
    assert servers["127.0.0.2"].gone.wait(10)


@pytest.mark.parametrize("allow_private", [True, False])
def test_headers_that_drip_are_left(allow_private):
    over = threading.Event()

    def drip():
        connection, _ = listening.accept()
        with connection:
            while not over.wait(0.05):
                connection.send(b"H")

    with socket.create_server(("127.0.0.2", 0)) as listening:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.2:{listening.getsockname()[1]}/"
        with pytest.raises(ValueError, match="could not be fetched \\(it takes longer than 0.3 seconds\\)"):
            fetch(url, None, allow_private, seconds=0.3, public=second_is_public)
        over.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("url", ["http://", "http://[::1/", "http://a:b:c/", "http://\u200b.é/", "data:nonsense"])
def test_broken_addresses_are_named(address, url):
    for allow_private in (True, False):
        with pytest.raises(ValueError, match="could not be fetched .*check its address and the network.$") as raised:
            load_picture(url, allow_private=allow_private)
        assert str(raised.value).startswith(url) and "\n" not in str(raised.value)
