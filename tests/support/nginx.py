"""nginx on a free loopback port, over TLS, with files of one folder; its certificate is made here."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PROGRAM = shutil.which("nginx", path=f"{os.defpath}:{os.environ.get('PATH', '')}:/usr/sbin")
INSTALLED = _PROGRAM is not None

_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)

_CONFIG = """
daemon off;
worker_processes 2;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log;
events {{}}
http {{
    access_log {prefix}/access.log;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    scgi_temp_path {prefix}/scgi;
    uwsgi_temp_path {prefix}/uwsgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {prefix}/server.pem;
        ssl_certificate_key {prefix}/server.key;
        root {folder};
        location /whole/ {{ max_ranges 0; alias {folder}/; }}
        location /moved/ {{ return 302 /$arg_to; }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, prefix: Path) -> Iterator[str]:
    """Serve `folder` at the address given, with all else of nginx in `prefix`: authority.pem is to be trusted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for each in (folder, prefix):  # as root, nginx's workers are another user
        each.chmod(0o755)
    _certify(prefix)
    config = prefix / "nginx.conf"
    config.write_text(_CONFIG.format(prefix=prefix, folder=folder, port=port))
    assert _PROGRAM is not None
    process = subprocess.Popen(
        [_PROGRAM, "-p", str(prefix), "-c", str(config), "-e", str(prefix / "error.log")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while True:
        assert process.poll() is None, "nginx ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert time.monotonic() < until, "nginx does not listen"
            time.sleep(0.01)
        else:
            return


def _certify(prefix: Path) -> None:
    """Make an authority, which is to be trusted, and a certificate by it, as strict clients want them apart."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    root = _certificate("authority", authority).add_extension(issuer, critical=False)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    root = root.add_extension(_SIGNS, critical=True)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = _certificate("server", key).add_extension(address, critical=False)
    by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
    leaf = leaf.add_extension(by, critical=False)
    for name, each in (("authority", root), ("server", leaf)):
        signed = each.sign(authority, hashes.SHA256())
        (prefix / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    kept = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (prefix / "server.key").write_bytes(key.private_bytes(*kept))


def _certificate(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"bulkstream tests {name}")])
