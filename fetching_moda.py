"""Fetches a picture by its address: bounded in size and time, and from public addresses only where that is asked for."""

import functools
import http.client
import ipaddress
import socket
import ssl
import string
import threading
import time
import urllib.error
import urllib.parse
import urllib.request


MOST_BYTES = 64 * 2**20
MOST_SECONDS = 60  # for all of it: names, redirects, a server that sends a byte a second
PATIENCE = 30  # seconds without a byte
AT_ONCE = 2**16  # bytes
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in its last 32 bits (RFC 6052)


def is_public(address):
    """Whether an IP address is one of the public internet's: not of this machine, its network, a provider's network
    (CGNAT), a group (multicast) or reserved, nor an IPv6 address that stands for such an IPv4 address.

    Args:
        address (`str`): IPv4 or IPv6, with or without a zone.
    """
    address = ipaddress.ip_address(address.split("%")[0])
    if address.version == 6:
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def fetch(url, name=None, allow_private=True, seconds=MOST_SECONDS, resolve=socket.getaddrinfo, public=is_public):
    """Fetches what lies at an address.

    Without `allow_private`, every name on the way, the first and those of redirects, is looked up once, all addresses found
    must be public, and the connection goes to the very address that was looked at. What the environment names a proxy for
    (`http_proxy`, `https_proxy`) is then refused too: a proxy looks names up itself, so nothing can be said of where it goes.

    Args:
        url (`str`): `http://`, `https://` or `data:`; redirects lead to http(s) only.
        name (`str`, *optional*): What to call it in an error. Defaults to the address.
        allow_private (`bool`, *optional*, defaults to `True`): Whether it may lie on this machine or in its network.
        seconds (`float`, *optional*, defaults to 60): For all of it.
        resolve (`Callable`, *optional*, defaults to `socket.getaddrinfo`): Looks names up.
        public (`Callable[[str], bool]`, *optional*, defaults to [`is_public`]): Says which addresses are.

    Returns:
        `bytes`, 64 MiB at most.

    Raises:
        `ValueError`: If it can't be fetched, may not be, is too much, takes too long or is a web page.
    """
    name = name or (url if len(url) < 300 else url[:100] + "…")
    fetching = _Fetching(name, allow_private, seconds, resolve, public)
    timer = threading.Timer(seconds, fetching.end)
    timer.daemon = True
    timer.start()
    try:
        content = fetching.content(_quoted(url))
    except _Refused as error:
        raise ValueError(str(error)) from error
    except Exception as error:  # of http.client, ssl, idna or the system, whichever fails first
        why = f"it takes longer than {seconds:g} seconds" if fetching.late else " ".join(str(error).split())
        why = why or type(error).__name__
        raise ValueError(f"{name} could not be fetched ({why}); check its address and the network.") from error
    finally:
        timer.cancel()
        fetching.close()
    if content[:1000].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise ValueError(f"{name} is a web page (HTML), not a picture; give the address of the picture itself.")
    return content


class _Refused(ValueError):
    """Carries the whole sentence."""


class _Fetching:
    """One fetch, with all connections that it takes."""

    def __init__(self, name, allow_private, seconds, resolve, public):
        self.name, self.allow_private, self.resolve, self.public = name, allow_private, resolve, public
        self.deadline, self.late, self.watched = time.monotonic() + seconds, False, []

    def content(self, url):
        opener = urllib.request.OpenerDirector()  # without the handlers of files and of FTP that build_opener adds
        for handler in (
            *([urllib.request.ProxyHandler()] if self.allow_private else []),
            urllib.request.DataHandler(),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Handler(self),
        ):
            opener.add_handler(handler)
        request = urllib.request.Request(url, headers={"User-Agent": "moda"})
        with opener.open(request, timeout=self.left()) as response:
            length = response.headers.get("Content-Length") or ""
            length = int(length) if length.isdecimal() and not response.headers.get("Transfer-Encoding") else 0
            self.check_size(length)
            content = bytearray()
            while part := getattr(response, "read1", response.read)(AT_ONCE):
                content += part
                self.check_size(len(content))
            self.left()
            if len(content) < length:
                raise OSError(f"it broke off after {len(content):,} of {length:,} bytes")
            return bytes(content)

    def check_size(self, size):
        if size > MOST_BYTES:
            most = f"{MOST_BYTES / 2**20:g} MiB"
            raise _Refused(f"{self.name} is larger than {most}, which is more than a picture may be; shrink it.")

    def left(self):
        left = self.deadline - time.monotonic()
        if self.late or left <= 0:
            self.late = True
            raise TimeoutError
        return min(left, PATIENCE)

    def connect(self, scheme, host, port):
        """Connects to a host all of whose addresses are public."""
        if scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
            raise _Refused(
                f"{self.name} is not fetched, because a proxy of the environment ({scheme}_proxy) would look {host} up, and "
                "could lead to a private address; pass allow_private=True (--allow-private-urls) if you trust where it leads."
            )
        found = self.resolve(host, port, type=socket.SOCK_STREAM)
        for *_, place in found:
            if not self.public(place[0]):
                raise _Refused(
                    f"{self.name} is not fetched, because {host} is at {place[0]}, which is no public address; pass "
                    "allow_private=True (--allow-private-urls) if you trust where it leads."
                )
        failed = OSError(f"{host} has no address")
        for family, kind, protocol, _, place in found:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(self.left())
            try:
                connection.connect(place)
                return connection
            except OSError as error:
                connection.close()
                failed = error
        raise failed

    def watch(self, connection):
        """Keeps a second handle: the timer may shut a connection down while another thread reads from it."""
        self.watched.append(socket.fromfd(connection.fileno(), connection.family, connection.type))
        self.left()

    def end(self):
        self.late = True
        for connection in self.watched:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # over already
                pass

    def close(self):
        while self.watched:
            self.watched.pop().close()


class _Handler(urllib.request.AbstractHTTPHandler):
    def __init__(self, fetching):
        super().__init__()
        self.fetching = fetching

    def http_open(self, request):
        return self.do_open(functools.partial(_Http, self.fetching), request)

    def https_open(self, request):
        return self.do_open(functools.partial(_Https, self.fetching), request, context=_tls())

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


@functools.cache  # reading the system's certificates takes longer than fetching a picture
def _tls():
    return ssl.create_default_context()


class _Http(http.client.HTTPConnection):
    def __init__(self, fetching, host, **kwargs):
        super().__init__(host, **kwargs)
        self.fetching = fetching

    def connect(self):
        if self.fetching.allow_private:
            super().connect()
        else:
            self.sock = self.fetching.connect("http", self.host, self.port)
        self.fetching.watch(self.sock)


class _Https(http.client.HTTPSConnection):
    def __init__(self, fetching, host, **kwargs):
        super().__init__(host, **kwargs)
        self.fetching = fetching

    def connect(self):
        if self.fetching.allow_private:
            super().connect()
            self.fetching.watch(self.sock)
        else:
            plain = self.fetching.connect("https", self.host, self.port)
            self.fetching.watch(plain)
            self.sock = _tls().wrap_socket(plain, server_hostname=self.host)


def _quoted(url):
    """An address as it is written in a browser, with spaces and letters of any language, as it is sent."""
    if url.startswith("data:"):
        return url
    parts = urllib.parse.urlsplit(url.strip())
    if not parts.netloc.isascii():
        parts = parts._replace(netloc=parts.netloc.encode("idna").decode())
    return urllib.parse.quote(parts.geturl(), safe=string.punctuation)
