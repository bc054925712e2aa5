"""The `workbench` command. Each noun is a module of its own, loaded only when it is used."""

import importlib

import click

from workbench import __version__
from workbench.cli.shell import run

# noun: (module, one line of help). The help stands here so that `workbench --help` loads no noun.
COMMANDS = {
    "demo": ("workbench.cli.demo", "主な仕事を通しで実演 / The whole journey on the synthetic city"),
    "data": ("workbench.cli.data", "データの登録・取込 / Register items, take in what holders send"),
    "init": ("workbench.cli.init", "ホームを作成 / Create a workbench home"),
    "people": ("workbench.cli.people", "利用者と役割 / People and their roles"),
    "account": ("workbench.cli.account", "ログインのアカウント / Accounts to log in with"),
    "key": ("workbench.cli.key", "署名鍵 / Signing keys"),
    "project": ("workbench.cli.project", "事業計画（利用目的） / Projects and their purposes"),
    "policy": ("workbench.cli.policy", "判定基準とその根拠 / The thresholds and their sources"),
    "settings": ("workbench.cli.settings", "管理責任者が署名する設定 / Settings that a manager signs"),
    "release": ("workbench.cli.release", "申請・確認・審査 / Requests, checks, review"),
    "catalogue": ("workbench.cli.catalogue", "受入済みデータセット / Admitted datasets"),
    "registry": ("workbench.cli.registry", "登録済み判定モデル / Admitted models"),
    "host": ("workbench.cli.host", "分析用の機械（別の場所） / Analysts' machines elsewhere"),
    "gateway": ("workbench.cli.gateway", "別の機械の分析者のための窓口 / The gateway for other machines"),
    "lab": ("workbench.cli.lab", "分析の部屋（JupyterLab） / The controlled Jupyter environment"),
    "hub": ("workbench.cli.hub", "分析者のチームのハブ / The labs of a team behind one address"),
    "score": ("workbench.cli.score", "支援確認の候補を一覧にする / List candidates for a support check"),
    "budget": ("workbench.cli.budget", "プライバシー予算（差分プライバシー） / Privacy budgets"),
    "audit": ("workbench.cli.audit", "監査ログ / The audit log"),
    "population": ("workbench.cli.population", "合成の市（架空） / The synthetic city"),
}


class Nouns(click.Group):
    """A click group whose members are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _ = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def workbench() -> None:
    """
    こどもデータ連携の分析環境 / The workbench for the analysis of linked children's data.

    WORKBENCH_HOME names the home, WORKBENCH_LANG the language (ja, en).

    \b
    Exit codes: 0 done, 1 a bug of ours, 2 usage, 10 refused by a rule, 11 untrusted,
    12 unusable input, 13 not found, 14 a protection cannot be provided here.
    """


def main() -> None:
    """Run the command and leave with the exit code of the table."""
    run(workbench)
