"""Small pictures of ours by addresses at which browsers keep them, so that the page itself stays small.

Pictures of samples alone: what is of a visitor never comes here.
"""

from hashlib import sha256

_BY_NAME: dict[str, bytes] = {}


def address_of(jpeg: bytes) -> str:
    """Offer a picture, and return its address, relative to the page's; the same picture has the same one for ever."""
    name = f"{sha256(jpeg).hexdigest()[:16]}.jpg"
    _BY_NAME[name] = jpeg
    return f"pictures/{name}"


def picture_at(path: str) -> bytes | None:
    """Return what lies at such an address, with a slash before it, or None."""
    return _BY_NAME.get(path.removeprefix("/pictures/"))
