"""Whether digits are what they look like: the checks that numbers of cards, accounts and people carry."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip
"""Characters of an account number by country (SWIFT's IBAN registry)."""

DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
CHINESE_CHECKS = "10X98765432"
CODICE_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
VERHOEFF_PRODUCT = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
VERHOEFF_PLACE = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def digits(text: str) -> list[int]:
    return [int(character) for character in text if character in "0123456789"]


def luhn(numbers: list[int]) -> bool:
    doubled = (2 * number - 9 * (number > 4) for number in numbers[-2::-2])
    return (sum(numbers[-1::-2]) + sum(doubled)) % 10 == 0


def weigh(numbers: list[int], weights: tuple[int, ...]) -> int:
    return sum(number * weight for number, weight in zip(numbers, weights, strict=False))


def is_card(text: str) -> bool:
    """ISO/IEC 7812; the first digits are those that card companies were given."""
    numbers = digits(text)
    return 13 <= len(numbers) <= 19 and numbers[0] in (2, 3, 4, 5, 6) and luhn(numbers)


def card_length(text: str) -> int:
    """How many characters of `text` from its first are a card's number; what follows may be of another."""
    ends = [len(text), *(place for place in range(len(text) - 1, 0, -1) if not text[place].isdigit())]
    return next((end for end in ends if is_card(text[:end])), 0)


def iban_length(text: str) -> int:
    """How many characters of `text` from its first are an account number (ISO 13616); 0 when none are."""
    wanted = IBAN_LENGTHS.get(text[:2].upper(), 0)
    compact, end = "", 0
    while end < len(text) and len(compact) < wanted:
        compact += text[end] if text[end].isalnum() else ""
        end += 1
    if not wanted or len(compact) < wanted:
        return 0
    moved = compact[4:] + compact[:4]
    return end if int("".join(str(int(character, 36)) for character in moved)) % 97 == 1 else 0


def is_phone(text: str) -> bool:
    """E.164 has at most 15 digits; what is shorter than 7 reaches nobody from outside."""
    return 7 <= len(digits(text)) <= 15


def is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def ipv6_length(text: str) -> int:
    """Without the mark that ends a sentence; 0 for what is none. Names of code, such as `add::cafe`, have no digit."""
    address = text.rstrip(".:")
    try:
        IPv6Address(address)
    except ValueError:
        return 0
    return len(address) if any(character.isdigit() for character in address) else 0


def is_us_ssn(text: str) -> bool:
    area, group, serial = re.split(r"[ -]", text)
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def is_spanish_id(text: str) -> bool:
    """DNI, and NIE with its X, Y or Z."""
    compact = text.upper().replace("-", "").replace(" ", "")
    number = compact[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and DNI_LETTERS[int(number) % 23] == compact[-1]


def is_french_id(text: str) -> bool:
    """NIR, whose departments 2A and 2B count as 19 and 18."""
    compact = text.upper().replace(" ", "")
    number = compact[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(compact[13:])


def is_italian_id(text: str) -> bool:
    """Codice fiscale."""
    total = 0
    for place, character in enumerate(text.upper()[:15]):
        value = int(character) if character.isdigit() else ord(character) - 65
        total += value if place % 2 else CODICE_ODD[value]
    return chr(total % 26 + 65) == text[15].upper()


def is_german_id(text: str) -> bool:
    """Steuer-Identifikationsnummer (ISO 7064, MOD 11,10): of its first ten digits one is there twice or thrice."""
    numbers = digits(text)
    most = max(numbers[:10].count(number) for number in range(10))
    product = 10
    for number in numbers[:10]:
        product = ((number + product) % 10 or 10) * 2 % 11
    return numbers[0] != 0 and most in (2, 3) and (11 - product) % 10 == numbers[10]


def is_polish_id(text: str) -> bool:
    """PESEL."""
    numbers = digits(text)
    month, day = numbers[2] * 10 + numbers[3], numbers[4] * 10 + numbers[5]
    checks = weigh(numbers, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    return checks and 1 <= month % 20 <= 12 and 1 <= day <= 31


def is_swedish_id(text: str) -> bool:
    return luhn(digits(text)[-10:])


def is_belgian_id(text: str) -> bool:
    """Rijksregisternummer; for those born from 2000 on a 2 stands before it."""
    number = "".join(map(str, digits(text)))
    return int(number[9:]) in (97 - int(number[:9]) % 97, 97 - int("2" + number[:9]) % 97)


def is_swiss_id(text: str) -> bool:
    """AHV number (EAN-13)."""
    numbers = digits(text)
    return weigh(numbers, (1, 3) * 6 + (1,)) % 10 == 0


def is_dutch_id(text: str) -> bool:
    """BSN."""
    return weigh(digits(text), (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def is_brazilian_id(text: str) -> bool:
    """CPF."""
    numbers = digits(text)
    if len(set(numbers)) == 1:
        return False
    for size in (9, 10):
        rest = weigh(numbers, tuple(range(size + 1, 1, -1))) * 10 % 11 % 10
        if rest != numbers[size]:
            return False
    return True


def is_indian_id(text: str) -> bool:
    """Aadhaar (Verhoeff)."""
    check = 0
    for place, number in enumerate(reversed(digits(text))):
        check = int(VERHOEFF_PRODUCT[check][int(VERHOEFF_PLACE[place % 8][number])])
    return check == 0


def is_chinese_id(text: str) -> bool:
    """GB 11643 (ISO 7064, MOD 11-2)."""
    numbers = digits(text[:17])
    return CHINESE_CHECKS[sum(n * 2 ** (17 - place) for place, n in enumerate(numbers)) % 11] == text[17].upper()


def is_canadian_id(text: str) -> bool:
    """SIN."""
    return luhn(digits(text))
