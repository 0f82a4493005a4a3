"""The command line: which subcommand runs, and what its end means to the shell.

Neighbours: flags.py parses; lifecycle.py, webhook.py and certcontroller.py run; `cli` prints. Exit codes: 0 done,
1 failed, 2 the arguments are off, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from eso.app.flags import (
    CertControllerSettings,
    ControllerSettings,
    Settings,
    UsageError,
    WebhookSettings,
    parse,
    usage,
)
from eso.errors import EsoError
from eso.version import VERSION

HELP = """usage: eso [controller] [--flag=value ...]
       eso webhook [--flag=value ...]
       eso certcontroller [--flag=value ...]
       eso render -f EXTERNALSECRET.yaml --data DATA.yaml [...]
       eso doctor [-o json]
       eso notify --url URL --secret-file FILE --key KEY [...]

  controller      reconcile ExternalSecrets and stores (also without the word: flags alone start it)
  webhook         answer admission reviews of the API server
  certcontroller  make the webhook's certificates, and tell the API server whom to trust
  render          print the Secret that a manifest would give; `eso render --help`
  doctor          check a cluster: CRDs, rights, leader, webhook, stores and objects; `eso doctor --help`
  notify          tell an operator that a secret has changed; `eso notify --help`
  version         print the version of this build

examples:
  eso controller --loglevel=debug --namespace=shop
  eso --enable-leader-election=true --concurrent=1
  KUBECONFIG=~/.kube/config eso controller --live-addr=127.0.0.1:8082 --metrics-addr=0

A DURATION is written as 300ms, 15s, 5m or 1h30m.

"""


SETTINGS: Final[dict[str, type[Settings]]] = {
    one.command: one for one in (ControllerSettings, WebhookSettings, CertControllerSettings)
}


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point of `eso`; ends the process with the exit code."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    command, rest = ("controller", argv) if not argv or argv[0].startswith("-") else (argv[0], argv[1:])
    try:
        match command:
            case "render":
                from eso.cli.render import main as render

                return render(rest)
            case "doctor":
                from eso.cli.doctor import main as doctor

                return doctor(rest)
            case "notify":
                from eso.cli.notify import main as notify

                return notify(rest)
            case "help" if rest and rest[0] not in SETTINGS:
                return run([rest[0], "--help"])
            case "help":
                print(help_of(SETTINGS[rest[0]] if rest else ControllerSettings))
                return 0
            case "version":
                print(f"eso {VERSION}")
                return 0
            case "controller" if rest == ["--version"]:
                print(f"eso {VERSION}")
                return 0
            case "controller" | "webhook" | "certcontroller" if {"--help", "-h"} & set(rest):
                print(help_of(SETTINGS[command]))
                return 0
            case "controller":
                return controller(rest)
            case "webhook":
                return webhook(rest)
            case "certcontroller":
                return certcontroller(rest)
            case _:
                raise UsageError(f"unknown command: {command}", fix="see eso --help")
    except UsageError as error:
        print(f"eso: {error}" + (f" ({error.fix})" if error.fix else ""), file=sys.stderr)
        return 2
    except EsoError as error:
        print(f"eso: {error}" + (f" ({error.fix})" if error.fix else ""), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell tells an end by SIGINT
    except BrokenPipeError:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        return 141


def help_of(settings: type[Settings]) -> str:
    return f"{HELP}Flags of eso {settings.command}:\n\n{usage(settings)}"


def controller(argv: list[str]) -> int:
    settings = parse(ControllerSettings, argv)
    from eso.app.lifecycle import serve  # the render command needs none of it

    return serve(settings, dict(os.environ))


def webhook(argv: list[str]) -> int:
    settings = parse(WebhookSettings, argv)
    from eso.app.webhook import serve

    return serve(settings, dict(os.environ))


def certcontroller(argv: list[str]) -> int:
    settings = parse(CertControllerSettings, argv)
    from eso.app.certcontroller import serve

    return serve(settings, dict(os.environ))
