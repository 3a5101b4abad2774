"""SM3, SM4 and its GCM a second time, in plain Python: the formulas of the standards, for tests to compare with."""


def rotated(word: int, by: int) -> int:
    """A 32-bit word rotated to the left."""
    by %= 32
    return (word << by | word >> 32 - by) & 0xFFFFFFFF


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[place : place + 4], "big") for place in range(0, len(data), 4)]


def octets(numbers: list[int]) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


# --- SM3 (GB/T 32905-2016, section 5) and HMAC with it (RFC 2104, section 2)

_START = bytes.fromhex("7380166f4914b2b9172442d7da8a0600a96f30bc163138aae38dee4db0fb0e4e")


def _compressed(state: list[int], block: bytes) -> list[int]:
    w = words(block)
    for j in range(16, 68):
        x = w[j - 16] ^ w[j - 9] ^ rotated(w[j - 3], 15)
        w.append(x ^ rotated(x, 15) ^ rotated(x, 23) ^ rotated(w[j - 13], 7) ^ w[j - 6])
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        constant = 0x79CC4519 if j < 16 else 0x7A879D8A
        ss1 = rotated((rotated(a, 12) + e + rotated(constant, j)) & 0xFFFFFFFF, 7)
        ff = a ^ b ^ c if j < 16 else a & b | a & c | b & c
        gg = e ^ f ^ g if j < 16 else e & f | ~e & g
        tt1 = (ff + d + (ss1 ^ rotated(a, 12)) + (w[j] ^ w[j + 4])) & 0xFFFFFFFF
        tt2 = (gg + h + ss1 + w[j]) & 0xFFFFFFFF
        a, b, c, d = tt1, a, rotated(b, 9), c
        e, f, g, h = tt2 ^ rotated(tt2, 9) ^ rotated(tt2, 17), e, rotated(f, 19), g
    return [one ^ two for one, two in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def sm3(message: bytes) -> bytes:
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + (len(message) * 8).to_bytes(8, "big")
    state = words(_START)
    for place in range(0, len(padded), 64):
        state = _compressed(state, padded[place : place + 64])
    return octets(state)


def hmac_sm3(key: bytes, message: bytes) -> bytes:
    block = (sm3(key) if len(key) > 64 else key).ljust(64, b"\0")
    inner = sm3(bytes(byte ^ 0x36 for byte in block) + message)
    return sm3(bytes(byte ^ 0x5C for byte in block) + inner)


# --- SM4 (GB/T 32907-2016, sections 6 and 7)

_BOX = bytes.fromhex(
    "d690e9fecce13db716b614c228fb2c052b679a762abe04c3aa441326498606999c4250f491ef987a33540b43edcfac62"
    "e4b31ca9c908e89580df94fa758f3fa64707a7fcf37317ba83593c19e6854fa8686b81b27164da8bf8eb0f4b70569d35"
    "1e240e5e6358d1a225227c3b01217887d40046579fd327524c3602e7a0c4c89eeabf8ad240c738b5a3f7f2cef96115a1"
    "e0ae5da49b341a55ad933230f58cb1e31df6e22e8266ca60c02923ab0d534e6fd5db3745defd8e2f03ff6a726d6c5b51"
    "8d1baf92bbddbc7f11d95c411f105ad80ac13188a5cd7bbd2d74d012b8e5b4b08969974a0c96777e65b9f109c56ec684"
    "18f07dec3adc4d2079ee5f3ed7cb3948"
)
_KEYS = words(bytes.fromhex("a3b1bac656aa3350677d9197b27022dc"))


def _boxed(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "big").translate(_BOX), "big")


def sm4(key: bytes, block: bytes) -> bytes:
    """One block of 16 bytes, encrypted."""
    k = [one ^ two for one, two in zip(words(key), _KEYS, strict=True)]
    x = words(block)
    for i in range(32):
        constant = int.from_bytes(bytes((4 * i + j) * 7 % 256 for j in range(4)), "big")
        b = _boxed(k[-3] ^ k[-2] ^ k[-1] ^ constant)
        k.append(k[-4] ^ b ^ rotated(b, 13) ^ rotated(b, 23))
        b = _boxed(x[-3] ^ x[-2] ^ x[-1] ^ k[-1])
        x.append(x[-4] ^ b ^ rotated(b, 2) ^ rotated(b, 10) ^ rotated(b, 18) ^ rotated(b, 24))
    return octets(x[:-5:-1])


# --- Galois/Counter Mode (NIST SP 800-38D, sections 6 and 7) with an IV of 96 bits


def _product(x: int, y: int) -> int:
    z = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            z ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return z


def sm4_gcm(key: bytes, iv: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """The ciphertext with its tag behind it."""
    blocks = range(2, 2 + -(-len(plaintext) // 16))
    stream = b"".join(sm4(key, iv + counter.to_bytes(4, "big")) for counter in blocks)
    body = bytes(one ^ two for one, two in zip(plaintext, stream, strict=False))
    lengths = (len(associated) * 8).to_bytes(8, "big") + (len(body) * 8).to_bytes(8, "big")
    hashed = associated + bytes(-len(associated) % 16) + body + bytes(-len(body) % 16) + lengths
    h, s = int.from_bytes(sm4(key, bytes(16)), "big"), 0
    for place in range(0, len(hashed), 16):
        s = _product(s ^ int.from_bytes(hashed[place : place + 16], "big"), h)
    mask = int.from_bytes(sm4(key, iv + b"\0\0\0\1"), "big")
    return body + (s ^ mask).to_bytes(16, "big")
