"""Write examples/contacts.csv: 1,000 good contacts and twelve bad rows, always the same bytes.

    python tools/make_contacts.py [FILE]

Only reserved domains (RFC 2606, RFC 6761) and telephone ranges set aside for fiction are used. The
receiving domain `slowpost.example` greylists and local parts that begin with `former.` have left:
that is how the SMTP server of `pgdrip demo` tells them apart.
"""

# ruff: noqa: RUF001 - names are written in the letters of their bearers

from __future__ import annotations

import csv
import random
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SEED = 20260105
GOOD_ROWS = 1000
GREYLISTED = 60
FORMER = 40
OPTED_OUT = 12

HEADER = [
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "company",
    "timezone",
    "tags",
    "attributes.plan",
    "attributes.source",
    "consent.email",
]

Rng = random.Random


@dataclass(frozen=True)
class Region:
    """Names as `shown` or `shown|latin`, the zones their bearers live in, and a fictional phone."""

    first: str
    last: str
    zones: str
    phone: Callable[[Rng], str] | None
    weight: int


def us_phone(rng: Rng) -> str:
    return f"+1{rng.choice(['212', '312', '415', '512', '617', '786'])}55501{rng.randrange(100):02}"


def uk_phone(rng: Rng) -> str:
    return f"+447700900{rng.randrange(1000):03}"


def fr_phone(rng: Rng) -> str:
    return f"+3363998{rng.randrange(10000):04}"


def de_phone(rng: Rng) -> str:
    return f"+4917139200{rng.randrange(100):02}"


def se_phone(rng: Rng) -> str:
    return f"+46701740{rng.randrange(605, 700)}"


def ie_phone(rng: Rng) -> str:
    return f"+35320910{rng.randrange(10000):04}"


REGIONS = [
    Region(
        "Olivia Noah Emma Liam Ava Ethan Grace Mason Chloe Caleb Hannah Wyatt Zoe Isaac",
        "Carter Brooks Nguyen Reed Foster Hughes Bennett O'Neill Price Coleman Ward Sanders",
        "America/New_York America/Chicago America/Denver America/Los_Angeles America/Phoenix"
        " America/Anchorage Pacific/Honolulu America/Detroit America/Boise",
        us_phone,
        16,
    ),
    Region(
        "Oliver Amelia Isla Harry Freya Alfie Poppy Rhys Eilidh Callum Imogen Gethin",
        "Fletcher Whitmore Ashworth MacLeod Llewellyn Barker Hartley Fairclough Pritchard Lamb",
        "Europe/London",
        uk_phone,
        9,
    ),
    Region(
        "Aoife Cillian Saoirse Seán Niamh Oisín Róisín Pádraig Sinéad Eoghan",
        "Ó'Briain|obriain Murphy Byrne Ní'Dhomhnaill|nidhomhnaill Kavanagh Doyle Gallagher",
        "Europe/Dublin",
        ie_phone,
        4,
    ),
    Region(
        "Jürgen Käthe Björn Anneliese Götz Heike Jörg Ulrike Matthias Sören Mareike Lukas",
        "Müller Weiß Schröder Köhler Böhm Größer Krämer Schäfer Lindner Vogel Jäger Hübner",
        "Europe/Berlin Europe/Vienna Europe/Zurich",
        de_phone,
        10,
    ),
    Region(
        "Élodie Benoît Chloé Rémi Anaïs François Zoé Théo Maëlle Gaëtan Inès Loïc",
        "Lefèvre Dubois Moreau Gauthier Béranger Château Noël Pelletier Rousseau Faucher",
        "Europe/Paris Europe/Brussels America/Toronto America/Montreal Africa/Dakar",
        fr_phone,
        8,
    ),
    Region(
        "Åsa Göran Linnéa Björn Ebba Håkan Sigrid Øystein Kjærsti Jens Søren Maja",
        "Åkesson Sjöberg Ødegård Nygård Sørensen Lindström Bjørnstad Ström Öhman Kjær",
        "Europe/Stockholm Europe/Oslo Europe/Copenhagen Europe/Helsinki Atlantic/Reykjavik",
        se_phone,
        7,
    ),
    Region(
        "Łukasz Agnieszka Paweł Małgorzata Jiří Božena Zdeněk Katarína Ștefan Ioana Zsófia Győző",
        "Wójcik Śliwińska Dvořák Černý Nováková Popescu Țurcanu Kovács Szőke Żuraw Horváth",
        "Europe/Warsaw Europe/Prague Europe/Bratislava Europe/Bucharest Europe/Budapest",
        None,
        8,
    ),
    Region(
        "José María Iñaki Lucía Ramón Begoña Andrés Ximena Íñigo Sofía Joaquín Pilar",
        "García Núñez Ibáñez Muñoz Peña Hernández Cortés Zúñiga Ochoa Vélez Quiñones",
        "Europe/Madrid America/Mexico_City America/Bogota America/Lima America/Santiago"
        " America/Argentina/Buenos_Aires America/Caracas",
        None,
        9,
    ),
    Region(
        "João Inês Gonçalo Conceição Luís Beatriz Tomás Letícia Antônio Flávia",
        "Gonçalves Araújo Simões Magalhães Brandão Falcão Guimarães Assunção Leitão",
        "Europe/Lisbon America/Sao_Paulo America/Manaus America/Recife",
        None,
        6,
    ),
    Region(
        "Παύλος|pavlos Ελένη|eleni Νίκος|nikos Σοφία|sofia Γιώργος|giorgos Δήμητρα|dimitra",
        "Παππάς|pappas Αλεξίου|alexiou Δημητρίου|dimitriou Βασιλείου|vasileiou Ιωάννου|ioannou",
        "Europe/Athens Asia/Nicosia",
        None,
        3,
    ),
    Region(
        "Олена|olena Тарас|taras Ірина|iryna Богдан|bohdan Мілена|milena Георги|georgi",
        "Шевченко|shevchenko Коваль|koval Петренко|petrenko Іванова|ivanova Димитров|dimitrov",
        "Europe/Sofia Europe/Vilnius Europe/Riga Europe/Tallinn Asia/Tbilisi",
        None,
        4,
    ),
    Region(
        "Ayşe Çağrı Gül İbrahim|ibrahim Özge Şebnem Tuğba Emre Deniz Ümit",
        "Yılmaz Çelik Öztürk Şahin Doğan Güneş Kılıç Aydın Aksoy",
        "Europe/Istanbul",
        None,
        4,
    ),
    Region(
        "محمد|mohamed فاطمة|fatima يوسف|youssef ليلى|layla نور|nour دانيال|daniel נועה|noa",
        "حداد|haddad خوري|khoury منصور|mansour سالم|salem عباس|abbas כהן|cohen",
        "Africa/Cairo Asia/Dubai Asia/Riyadh Asia/Beirut Asia/Jerusalem Africa/Casablanca",
        None,
        4,
    ),
    Region(
        "अनन्या|ananya Arjun Priya Rohan Meera Vikram Kavya Sanjay Lakshmi Imran",
        "शर्मा|sharma Patel Iyer Mukherjee Reddy Nair Chaudhry Banerjee Kulkarni Desai",
        "Asia/Kolkata Asia/Karachi Asia/Dhaka Asia/Colombo Asia/Kathmandu",
        None,
        7,
    ),
    Region(
        "佐藤|sato 陽子|yoko 健|ken 美咲|misaki 李|li 娜|na 伟|wei 민준|minjun 서연|seoyeon",
        "田中|tanaka 鈴木|suzuki 山本|yamamoto 王|wang 张|zhang 김|kim 박|park",
        "Asia/Tokyo Asia/Shanghai Asia/Seoul Asia/Taipei Asia/Hong_Kong Asia/Singapore",
        None,
        7,
    ),
    Region(
        "Nguyễn|nguyen Thảo|thao Đức|duc Siti Budi Dewi Wayan Maricel Jomar Somchai",
        "Trần|tran Phạm|pham Đặng|dang Santos Wijaya Lestari Reyes Hidayat Suksawat",
        "Asia/Ho_Chi_Minh Asia/Jakarta Asia/Manila Asia/Bangkok Asia/Kuala_Lumpur",
        None,
        5,
    ),
    Region(
        "Chidi Adaeze Kwame Abena Tendai Zanele Wanjirũ|wanjiru Otieno Amadou Fatoumata",
        "Okafor Mensah Dlamini Ndlovu Mwangi Achieng Diallo Traoré Adébáyọ̀|adebayo Boateng",
        "Africa/Lagos Africa/Accra Africa/Johannesburg Africa/Nairobi Africa/Harare",
        None,
        6,
    ),
    Region(
        "Mia Jarrah Tane Aroha Lachlan Matilda Wiremu Māia Hemi Ruby",
        "Thompson Ngata Parata Kelly Ōtene|otene Walker Te'Rangi|terangi Doherty",
        "Australia/Sydney Australia/Perth Australia/Adelaide Australia/Brisbane Pacific/Auckland",
        None,
        5,
    ),
]

COMPANIES = [
    "Alder & Finch", "Blue Heron Logistics", "Cobalt Kitchens", "Döner & Söhne", "Evergreen Dental",
    "Fjord Analytics", "Granite Peak Climbing", "Harbour Lights Hotels", "Ibis Press",
    "Juniper Robotics", "Kestrel Insurance", "Lumen Optics", "Maré Alta Surf", "Nimbus Freight",
    "Orchard Foods", "Pěkný Design", "Quarry Stone Works", "Rosewood Clinics", "Sólo Café",
    "Tidewater Energy", "Umbra Studio", "Velvet Ant Games", "Willow Schools", "Xylem Gardens",
    "Yarrow Textiles", "Zephyr Bikes", "Ärla Health", "Northgate Legal", "Old Mill Bakery",
    "Pelican Travel",
]  # fmt: skip

LATIN = str.maketrans(
    {"ø": "o", "æ": "ae", "ł": "l", "ß": "ss", "đ": "d", "ı": "i", "ð": "d", "œ": "oe"}
)


def latin(text: str) -> str:
    """The ASCII letters an address would use for `text`; empty when there are none."""
    plain = unicodedata.normalize("NFKD", text.lower().translate(LATIN))
    return re.sub(r"[^a-z0-9]", "", plain)


def name(word: str) -> tuple[str, str]:
    """Split `shown|latin`, or derive the second; beside a `|`, an apostrophe stands for a space."""
    shown, _, given = word.partition("|")
    if given and "'" in shown:
        shown = shown.replace("'", " ")
    return shown, given or latin(shown)


def good_rows(rng: Rng) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    seen: set[str] = set()
    weights = [region.weight for region in REGIONS]
    while len(rows) < GOOD_ROWS:
        region = rng.choices(REGIONS, weights)[0]
        first, first_latin = name(rng.choice(region.first.split()))
        last, last_latin = name(rng.choice(region.last.split()))
        company = rng.choice(COMPANIES) if rng.random() < 0.88 else ""
        if company:
            domain = f"{latin(company)}.example"
        else:
            domain = rng.choice(["example.com", "example.org", "example.net"])
        email = f"{first_latin}.{last_latin}@{domain}"
        if email in seen:
            continue
        seen.add(email)
        phone = region.phone(rng) if region.phone and rng.random() < 0.7 else ""
        extra = [tag for tag in ("newsletter", "webinar", "partner") if rng.random() < 0.2]
        rows.append(
            {
                "external_id": f"crm-{10001 + len(rows)}",
                "email": email,
                "phone": phone,
                "first_name": first if rng.random() > 0.03 else "",
                "last_name": last,
                "company": company,
                "timezone": rng.choice(region.zones.split()) if rng.random() > 0.04 else "",
                "tags": ";".join(["lead", *extra]),
                "attributes.plan": rng.choice(["trial", "trial", "starter", "team", "business"]),
                "attributes.source": rng.choice(["website", "referral", "fair", "advert"]),
                "consent.email": "opted_in" if rng.random() < 0.6 else "",
            }
        )
    unusual = rng.sample(rows, GREYLISTED + FORMER + OPTED_OUT)
    for row in unusual[:GREYLISTED]:
        local, _, domain = row["email"].partition("@")
        row["email"] = f"{local}.{domain.partition('.')[0]}@slowpost.example"
    for row in unusual[GREYLISTED : GREYLISTED + FORMER]:
        row["email"] = "former." + row["email"]
    for row in unusual[GREYLISTED + FORMER :]:
        row["consent.email"] = "opted_out"
    # Two people may share a telephone only by accident of the small fictional ranges.
    phones: set[str] = set()
    for row in rows:
        if row["phone"] in phones:
            row["phone"] = ""
        phones.add(row["phone"])
    return rows


def bad_rows(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Twelve rows that an import must report and skip, each with one fault."""
    base = {
        "first_name": "Robin", "last_name": "Wrong", "company": "Ibis Press", "timezone": "",
        "phone": "", "tags": "lead", "attributes.plan": "trial", "attributes.source": "website",
        "consent.email": "",
    }  # fmt: skip
    faults: list[dict[str, str]] = [
        {"email": "robin.one@example.com", "timezone": "UTC+3"},
        {"email": "robin.two@example.com", "timezone": "Mars/Olympus_Mons"},
        {"email": "robin.three@example.com", "timezone": "Berlin"},
        {"email": "robin.four@"},
        {"email": "robin five at example.com"},
        {"email": "robin@six@example.com"},
        {"email": "robin.seven@example.com", "phone": "ask reception"},
        {"email": "robin.eight@example.com", "phone": "+12"},
        {"email": "robin.nine@example.com", "consent.email": "maybe"},
        {"external_id": "", "email": ""},
        {"external_id": rows[100]["external_id"], "email": "robin.eleven@example.com"},
        {"external_id": rows[500]["external_id"], "email": "robin.twelve@example.com"},
    ]
    return [
        {"external_id": f"crm-{20001 + number}"} | base | fault
        for number, fault in enumerate(faults)
    ]


def main(arguments: list[str]) -> None:
    default = Path(__file__).resolve().parent.parent / "examples" / "contacts.csv"
    target = Path(arguments[0]) if arguments else default
    rng = random.Random(SEED)  # noqa: S311 - reproducible sample data, not a secret
    rows = good_rows(rng)
    for number, row in enumerate(bad_rows(rows)):
        rows.insert(min(len(rows), 560 + number * 40), row)
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
