"""`eso render`: the Secret that an ExternalSecret would give, printed instead of written.

Neighbours: the desks of reconcile.externalsecret do the work; inputs.py reads files and, if asked to, a cluster;
output.py prints. Writes nothing anywhere but to --output.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from eso.cli.inputs import BadInput, Given, composed, from_cluster, given, templated
from eso.cli.output import as_json, bare_secret, diff_text, dumped, json_text, yaml_text
from eso.cli.terminal import complain, quiet, refusal, safe
from eso.errors import EsoError
from eso.reconcile.externalsecret.desired import Create, Delete, Nothing, Patch
from eso.template.apply import apply
from eso.version import VERSION

EXAMPLES = """examples:
  eso render -f externalsecret.yaml --data data.yaml
      data.yaml holds what was fetched: key: value. ConfigMaps and Secrets of
      templateFrom may stand in the same -f files.
  eso render -f externalsecret.yaml --remote remote.yaml --show-values
      remote.yaml holds what the backend has: remote key: text, or a map. Rewrite, conversion and
      decoding run as in the cluster.
  KUBECONFIG=~/.kube/config eso render -f externalsecret.yaml --from-store -o diff
      reads stores, credentials and values with your kubeconfig, and compares with the live Secret. Nothing is written.
  eso render --source-templated-object es.yaml --source-secret-data-file data.yaml
      the reference's template command: data in base64, a bare Secret out.

exit codes: 0 done (with -o diff: no difference), 1 it cannot be rendered (with -o diff: they differ),
2 the arguments or the input are off
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="eso render",
        description=__doc__.partition("\n")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "-f",
        "--filename",
        action="append",
        default=[],
        metavar="FILE",
        help="manifests; - is standard input; may be repeated",
    )
    made.add_argument("--name", default="", help="which ExternalSecret, when the manifests hold several")
    made.add_argument("--data", metavar="FILE", help="YAML map: the fetched data, key: value")
    made.add_argument("--remote", metavar="FILE", help="YAML map: what the backend has, remote key: text or map")
    made.add_argument("--from-store", action="store_true", help="read from the real stores, through KUBECONFIG")
    made.add_argument(
        "--live", metavar="FILE", help="the Secret as it is now; -o diff reads it from the cluster without this"
    )
    made.add_argument("-o", "--format", choices=("yaml", "json", "diff"), default="yaml")
    made.add_argument("--show-values", action="store_true", help="print values instead of their length")
    made.add_argument("--output", metavar="FILE", help="write there instead of to standard output")
    compat = made.add_argument_group("arguments of the reference's template command")
    compat.add_argument("--source-templated-object", metavar="FILE")
    compat.add_argument("--source-secret-data-file", metavar="FILE", help="YAML map, values in base64")
    compat.add_argument("--template-from-config-map", metavar="FILE")
    compat.add_argument("--template-from-secret", metavar="FILE")
    compat.add_argument("--version", action="version", version=f"version: {VERSION}")
    return made


def main(argv: Sequence[str]) -> int:
    """Returns the exit code; errors go to standard error, one line each with the fix."""
    arguments = parser().parse_args(argv)
    quiet()
    comparing = arguments.format == "diff"
    try:
        text, code = compatible(arguments) if arguments.source_templated_object else rendered(arguments)
        if arguments.output:
            write(arguments.output, text)
        else:
            sys.stdout.write(text)
        return code
    except BadInput as error:
        return told(error, 2)
    except EsoError as error:
        return told(error, 2 if comparing else 1)


def told(error: EsoError, code: int) -> int:
    complain("eso render", refusal(error))
    return code


def write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text)
    except OSError as error:
        raise BadInput(f"could not create output file: {error.strerror}: {path}") from error


def rendered(arguments: argparse.Namespace) -> tuple[str, int]:
    """(text, exit code)."""
    chosen = [name for name in ("data", "remote", "from_store") if getattr(arguments, name)]
    if not arguments.filename or len(chosen) != 1:
        raise BadInput(
            "-f and exactly one of --data, --remote and --from-store are needed", fix="see eso render --help"
        )
    live_wanted = arguments.format == "diff" and not arguments.live
    found = (
        from_cluster(arguments, os.environ, live_wanted) if arguments.from_store or live_wanted else given(arguments)
    )
    change = asyncio.run(composed(found))
    match change:
        case Create(body):
            wanted = body
        case Patch(after=after):
            wanted = after
        case Nothing() if found.live is not None:
            wanted = found.live
        case Nothing() | Delete():
            return without_secret(arguments, explained(found, change)), 0
    if arguments.format == "diff":
        return diff_text(found.es, found.live, wanted, show=arguments.show_values)
    print_it = json_text if arguments.format == "json" else yaml_text
    return print_it(found.es, wanted, show=arguments.show_values), 0


def without_secret(arguments: argparse.Namespace, remark: str) -> str:
    """JSON has no comments: the remark then goes to standard error."""
    if arguments.format != "json":
        return safe(f"# {remark}") + "\n"
    complain("eso render", remark)
    return "null\n"


def explained(found: Given, change: Nothing | Delete) -> str:
    target = found.es.spec.target
    match change:
        case Delete():
            return f"the Secret {found.es.target_name} would be deleted: no data, and deletionPolicy is Delete"
        case Nothing("retained"):
            return "nothing would be written: no data, and deletionPolicy is Retain"
        case Nothing("missing"):
            return (
                "nothing would be written: creationPolicy is Merge, and there is no Secret to merge into "
                "(give one with --live)"
            )
    return f"nothing would be written: creationPolicy is {target.creation_policy}"


def compatible(arguments: argparse.Namespace) -> tuple[str, int]:
    """What the reference's template command prints: only the template block runs, into an empty Secret."""
    template, data, sources = templated(arguments)
    try:
        parts = apply(template, data, sources, {}, labels={}, annotations={})
    except EsoError as error:
        raise EsoError(f"could not render template: {error}", fix=error.fix) from error
    rendered_keys = {k: v for k, v in parts.data.items() if template.data or template.template_from}
    document = bare_secret(rendered_keys, parts.labels, parts.annotations)
    return (as_json(document) if arguments.format == "json" else dumped(document) + "\n"), 0
