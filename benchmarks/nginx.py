"""The settings of an nginx that answers like the public Streams API: all of it as text, nothing is run here.

Part bodies go through nginx's own DAV module, which reads a body to its end, to a file beside the target, before it
renames the one to the other and answers. There are ten targets, by a part number's last digit, so that what is kept
stays small however much is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.drain import JSON

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = (
    ("= /oauth/token", "token"),
    (r"~ ^/v1/streams/\d+/executions/\d+/part/", None),
    (r"~ ^/v1/streams/\d+/executions/\d+(/commit|/abort)?$", "success"),
    (r"~ ^/v1/streams/\d+/executions/?$", "active"),
    ("/v1/streams", "stream"),
    ("/", "none"),
)
"""Where what is answered, in nginx's order; None takes a part."""

LOG = "access_log {folder}/parts.log part;"
"""A line per part: when it was answered, the seconds since its first byte, and its bytes with the head."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate and its key, both PEM."""

    certificate: Path
    key: Path


def configuration(folder: Path, *, host: str, port: int, certificate: Certificate | None = None) -> str:
    """Write the whole settings file, for one process in the foreground with everything of its own in a folder."""
    listen = f"listen {host}:{port}{' ssl' if certificate else ''} backlog=1024;"
    places = "\n".join(_place(folder, match, answer) for match, answer in ANSWERS)
    return f"""
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  log_format part '$msec $request_time $request_length';
  access_log off;
  default_type application/json;
  client_max_body_size 0;
  client_body_buffer_size 512k;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/unused;
  fastcgi_temp_path {folder}/unused;
  uwsgi_temp_path {folder}/unused;
  scgi_temp_path {folder}/unused;
  keepalive_timeout 600s;
  keepalive_requests 100000000;
  server {{
    {listen}
{_tls(certificate)}{places}
  }}
}}
"""


def _place(folder: Path, match: str, answer: str | None) -> str:
    if answer is None:
        pattern = match.removeprefix("~ ") + r"\d*(?<digit>\d)$"
        does = f"alias {folder}/parts/$digit; dav_methods PUT; {LOG.format(folder=folder)}"
        return f'    location ~ "{pattern}" {{ {does} }}'
    head, _, expression = match.rpartition(" ")
    return f"    location {head} \"{expression}\" {{ return 200 '{JSON[answer].decode()}'; }}"


def _tls(certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    return f"""    ssl_certificate {certificate.certificate};
    ssl_certificate_key {certificate.key};
    ssl_protocols TLSv1.2 TLSv1.3;
"""
