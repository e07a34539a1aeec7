"""A real Dovecot: any user of example.com with one password a run, on ports of its own, 2.3 and 2.4."""

import secrets
from pathlib import Path
from typing import TypedDict

from tests.servers.processes import Process, free_port, listens, start_and_wait
from tests.servers.trees import clean_env, entered, run_in


class Mail(TypedDict):
    """How to reach Dovecot. `NAME@quota_domain` is a user with room for `quota_bytes`, all others have no limit.

    `users` have passwords of their own, beyond ASCII. `login*master["user"]` with the master's password opens anyone's
    mailbox. `ca_file` signed the certificate.
    """

    host: str
    version: str
    imap_port: int
    imaps_port: int
    pop3_port: int
    pop3s_port: int
    lmtp_port: int
    domain: str
    quota_domain: str
    quota_bytes: int
    password: str
    master: dict[str, str]
    users: dict[str, str]
    ca_file: str
    mechanisms: list[str]


MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
QUOTA_KIB = 64
USERS = {"umlaut": "Größe und Stärke ß€", "wide": "zwölf Ⅻ ﬁsche"}
"""The second one is another text after SASLprep (RFC 4013): Dovecot compares passwords as they are."""

CERTIFICATES = """
set -e
cd /srv/dovecot
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 800 -subj '/CN=Mailbridge test CA' \
  -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=localhost' \
  -keyout server.key -out server.csr
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nauthorityKeyIdentifier=keyid\\nextendedKeyUsage=serverAuth\\n' > ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 800 -extfile ext -out server.pem
mkdir -p run mail && chown www-data:www-data mail
"""

COMMON = """
protocols = imap pop3 lmtp
listen = 127.0.0.1
base_dir = /srv/dovecot/run
log_path = /srv/dovecot/dovecot.log
first_valid_uid = 1
mail_uid = www-data
mail_gid = www-data
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 apop
auth_master_user_separator = *
auth_failure_delay = 0
mail_max_userip_connections = 500
pop3_uidl_format = %(uidl)s
ssl = yes
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  %(reuse)s
  client_limit = 2000
  inet_listener imap {
    port = %(imap_port)s
  }
  inet_listener imaps {
    port = %(imaps_port)s
    ssl = yes
  }
}
service pop3-login {
  %(reuse)s
  client_limit = 2000
  inet_listener pop3 {
    port = %(pop3_port)s
  }
  inet_listener pop3s {
    port = %(pop3s_port)s
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = %(lmtp_port)s
  }
}
service stats {
  client_limit = 5000
}
"""

DOVECOT_2_3 = """
state_dir = /srv/dovecot/run
disable_plaintext_auth = no
ssl_cert = </srv/dovecot/server.pem
ssl_key = </srv/dovecot/server.key
mail_home = /srv/dovecot/mail/%%d/%%n
mail_location = maildir:~/Maildir
mail_plugins = quota
plugin {
  quota = count:User quota
  quota_vsizes = yes
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Filtered {
    special_use = \\Junk
  }
  mailbox Sent {
    special_use = \\Sent
  }
}
protocol imap {
  mail_plugins = quota imap_quota
}
passdb {
  driver = passwd-file
  args = /srv/dovecot/masters
  master = yes
}
passdb {
  driver = passwd-file
  args = /srv/dovecot/users
}
passdb {
  driver = static
  args = password=%(password)s
}
userdb {
  driver = passwd-file
  args = username_format=%%d /srv/dovecot/small
}
userdb {
  driver = static
  args = uid=www-data gid=www-data allow_all_users=yes
}
"""

DOVECOT_2_4 = """
state_dir = /srv/dovecot/run
auth_allow_cleartext = yes
ssl_server_cert_file = /srv/dovecot/server.pem
ssl_server_key_file = /srv/dovecot/server.key
mail_home = /srv/dovecot/mail/%%{user | domain}/%%{user | username}
mail_driver = maildir
mail_path = ~/Maildir
mail_plugins {
  quota = yes
}
protocol imap {
  mail_plugins {
    imap_quota = yes
  }
}
quota "User quota" {
  driver = count
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Filtered {
    special_use = \\Junk
  }
  mailbox Sent {
    special_use = \\Sent
  }
}
passdb masters {
  driver = passwd-file
  master = yes
  passwd_file_path = /srv/dovecot/masters
}
passdb users {
  driver = passwd-file
  passwd_file_path = /srv/dovecot/users
}
passdb everyone {
  driver = static
  static_password = %(password)s
}
userdb small {
  driver = passwd-file
  auth_username_format = %%{user | domain}
  passwd_file_path = /srv/dovecot/small
}
userdb everyone {
  driver = static
  static_allow_all_users = yes
  fields {
    uid = www-data
    gid = www-data
  }
}
"""


OAUTH_2_3 = """
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 apop xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /srv/dovecot/oauth.conf
}
"""

OAUTH_FILE_2_3 = """
introspection_url = %(introspection)s
introspection_mode = post
username_attribute = sub
active_attribute = active
active_value = true
"""

OAUTH_2_4 = """
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 apop xoauth2 oauthbearer
oauth2 {
  introspection_url = %(introspection)s
  introspection_mode = post
  username_attribute = sub
  active_attribute = active
  active_value = true
}
passdb oauth2 {
  mechanisms_filter = xoauth2 oauthbearer
}
"""


def serve(tree: Path, state: Path, introspection: str = "") -> tuple[Process, Mail]:
    """Given a tree and an instance's directory, start Dovecot there. Return it when its ports answer.

    With the address of an OpenID provider's introspection, its tokens log in too: XOAUTH2 and OAUTHBEARER.
    """
    home = state / "dovecot"
    home.mkdir(exist_ok=True)
    version = run_in(tree, state, "root:root", ["dovecot", "--version"]).split()[0]
    mail = Mail(
        host="127.0.0.1", version=version, domain="example.com", quota_domain="small.example.com",
        imap_port=free_port(), imaps_port=free_port(), pop3_port=free_port(), pop3s_port=free_port(),
        lmtp_port=free_port(), quota_bytes=QUOTA_KIB * 1024, password=f"mail-{secrets.token_hex(6)}",
        master={"user": "master", "password": f"master-{secrets.token_hex(6)}"},
        users=USERS, ca_file=str(home / "ca.pem"), mechanisms=MECHANISMS,
    )  # fmt: skip
    if not (home / "server.pem").exists():
        run_in(tree, state, "root:root", ["sh", "-c", CERTIFICATES])
    configure(home, mail, introspection)
    command = ["dovecot", "-F", "-c", "/srv/dovecot/dovecot.conf"]
    ports = (mail["imap_port"], mail["imaps_port"], mail["pop3_port"], mail["pop3s_port"], mail["lmtp_port"])
    process = start_and_wait(
        "dovecot", entered(tree, state, "root:root", command), home / "start.log", clean_env({}),
        ready=lambda: all(listens(port) for port in ports),
    )  # fmt: skip
    return process, mail


def configure(home: Path, mail: Mail, introspection: str = "") -> None:
    """Given Dovecot's directory and its ports and passwords, write its configuration in its version's syntax."""
    old = mail["version"].startswith("2.3")
    values = mail | {
        "reuse": "service_count = 0" if old else "restart_request_count = unlimited",
        "uidl": "%08Xu%08Xv" if old else "%{uid | hex(8)}%{uidvalidity | hex(8)}",
    }
    head = "" if old else "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
    text = head + (COMMON + (DOVECOT_2_3 if old else DOVECOT_2_4)) % values
    if introspection:
        text += (OAUTH_2_3 if old else OAUTH_2_4) % {"introspection": introspection}
        write_secret(home / "oauth.conf", OAUTH_FILE_2_3 % {"introspection": introspection})
    write_secret(home / "dovecot.conf", text)
    write_secret(home / "masters", f"{mail['master']['user']}:{{PLAIN}}{mail['master']['password']}\n", 0o644)
    own = [f"{name}@{mail['domain']}:{{PLAIN}}{password}" for name, password in mail["users"].items()]
    write_secret(home / "users", "\n".join(own) + "\n", 0o644)
    rule = f"userdb_quota_rule=*:storage={QUOTA_KIB}K" if old else f"userdb_quota_storage_size={QUOTA_KIB}K"
    write_secret(home / "small", f"{mail['quota_domain']}::33:33::::{rule}\n", 0o644)


def write_secret(path: Path, text: str, mode: int = 0o600) -> None:
    """Given a file and its text, write it with this mode."""
    path.write_text(text)
    path.chmod(mode)
