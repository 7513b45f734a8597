"""Files that are no text in UTF-8: what they may be, and how an error shows it."""

from iclr22 import errors

WIDE = 60  # characters of a name or cell in an error
LONG_LINE = 1 << 20  # bytes of a line that are looked at for the encoding
SIGNATURES = {
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\x1f\x8b": "a gzip archive",
    b"PK": "a zip archive, such as a spreadsheet (.xlsx)",
    b"PAR1": "a Parquet file",
    b"\x93NUMPY": "a NumPy array",
}


def short(text, width: int = WIDE) -> str:
    """Text in one line that is no longer than so many characters."""
    text = " ".join(str(text).split())
    return text if len(text) <= width else text[: width - 3] + "..."


def unreadable(path, error) -> errors.InputError:
    """The error for a file that the disk or the rights do not give."""
    return errors.InputError(
        f"{path}: expected a comma-separated table in UTF-8; found {short(error)}."
    )


def undecodable(path) -> errors.InputError:
    """The error for a file that is not UTF-8: which line, and what it may be."""
    with open(path, "rb") as stream:
        start = stream.read(6)
        stream.seek(0)
        kinds = [kind for sign, kind in SIGNATURES.items() if start.startswith(sign)]
        if kinds:
            return errors.InputError(
                f"{path}: expected a comma-separated table in UTF-8; found what looks like "
                f"{kinds[0]}. Save or unpack it as a table in UTF-8."
            )
        line, column, byte = 0, 0, b""
        while raw := stream.readline(LONG_LINE):
            line += 1
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                column, byte = error.start + 1, raw[error.start : error.start + 1]
                break
    likely = "Latin-1 or Windows-1252"
    if byte and 0x80 <= byte[0] < 0xA0:
        likely = "Windows-1252"
    return errors.InputError(
        f"{path}, line {line}: expected a comma-separated table in UTF-8; found the byte "
        f"0x{byte.hex()} in place {column}, likely {likely}, as spreadsheets write it. Save "
        "it as 'CSV UTF-8', or convert it: iconv -f WINDOWS-1252 -t UTF-8."
    )
