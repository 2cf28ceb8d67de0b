"""nginx as a plain pass-through: the same bytes of the native side, one worker, keep-alive to the upstream, an access log."""

import os
from pathlib import Path

_CONNECTIONS = 4096


def nginx_config(folder: Path, port: int, *, scheme: str, upstream_port: int, authority: Path) -> str:
    """The configuration, complete. Everything it writes goes into the folder."""
    user = "user root;" if os.geteuid() == 0 else ""  # else the worker could not enter the temporary folder
    return f"""
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections {_CONNECTIONS}; }}
http {{
    access_log {folder}/access.log combined;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 10000000;
    upstream native {{
        server 127.0.0.1:{upstream_port};
        keepalive {_CONNECTIONS // 2};
        keepalive_requests 10000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass {scheme}://native;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_ssl_name localhost;
            proxy_ssl_server_name on;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {authority};
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
        }}
    }}
}}
"""
