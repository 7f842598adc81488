"""Pictures and videos by their address: from the public net alone, whole or not at all, with limits of size and time.

What somebody may ask for decides where this machine connects to. So the name is looked up here, all that it stands for
has to be public, and the connection goes to what was looked up, at each redirection anew.
"""

import asyncio
import re
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote

import httpx
from safehttpx import AsyncSecureTransport

from demos.files import new_folder, uploaded
from vision_models.errors import VisionModelsError

MOST_MEGABYTES = 60
SECONDS = 20.0  # for all of it
REDIRECTIONS = 3
AT_A_TIME = 4  # for the page, and as many for programs
PORTS = {None, 80, 443}
_OURS = re.compile(r"https?://[^?#]*/gradio_api/file[=/]([^?#]+)")
NO_ADDRESS = "This is no address of a picture: it has to begin with https:// and name a public server."
NOT_PUBLIC = "This address is not on the public net. Please download the file, and drop it in."
UNREACHABLE = "Nothing could be fetched from this address. Please check it, or download the file and drop it in."
TOO_LARGE = f"What is at this address is larger than {MOST_MEGABYTES} MB. Please save it smaller, and drop it in."
TOO_SLOW = f"This address took longer than {SECONDS:.0f} s. Please download the file, and drop it in."
REFUSED = "This address answers with “{status}”, not with a file. Please download the file, and drop it in."


class AddressError(VisionModelsError):
    """An address from which no file can be had."""


async def fetch(address: str) -> Path:
    """Bring the file at an address into the folder of uploads; one that lies there already is only found.

    Raises:
        AddressError: it is no address, or not a public one, or nothing whole came from it within the limits.
    """
    if ours := _OURS.match(address):
        path = uploaded({"path": unquote(ours[1])})
        with suppress(OSError):  # of a name that is too long for any file
            if path and path.is_file():
                return path
    try:
        async with asyncio.timeout(SECONDS):
            for _ in range(REDIRECTIONS + 1):
                file, address = await _get(address)
                if file:
                    return file
    except TimeoutError as error:
        raise AddressError(TOO_SLOW) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        raise AddressError(UNREACHABLE) from error
    raise AddressError(UNREACHABLE)


async def _get(address: str) -> tuple[Path | None, str]:
    """Ask at an address: a file, or the address at which to ask instead."""
    url = httpx.URL(address.strip())
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.port not in PORTS:
        raise AddressError(NO_ADDRESS)
    transport = AsyncSecureTransport(await _look_up(url.host))
    # Not compressed: a small answer could be a huge file otherwise.
    headers = {"user-agent": "vision-models", "accept": "image/*, video/*", "accept-encoding": "identity"}
    async with (
        httpx.AsyncClient(transport=transport, timeout=SECONDS) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.has_redirect_location:
            return None, str(url.join(response.headers["location"]))
        if response.status_code != httpx.codes.OK:
            raise AddressError(REFUSED.format(status=f"{response.status_code} {response.reason_phrase}".strip()))
        with new_folder() as folder:
            file = folder / (re.sub(r"[^\w.-]", "_", unquote(url.path).rpartition("/")[2])[-80:].strip(".") or "file")
            missing = MOST_MEGABYTES * 1024**2
            with file.open("wb") as out:
                async for part in response.aiter_raw():
                    missing -= len(part)
                    if missing < 0:
                        raise AddressError(TOO_LARGE)
                    out.write(part)
            return file, address


async def _look_up(host: str) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    places = [str(entry[4][0]) for entry in found]
    if not places or not all(_is_public(place) for place in places):
        raise AddressError(NOT_PUBLIC)
    return places[0]


def _is_public(place: str) -> bool:
    address = ip_address(place)
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return all(one.is_global and not one.is_multicast for one in (address, inner) if one is not None)
