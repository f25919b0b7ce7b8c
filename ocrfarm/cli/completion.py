"""`ocrfarm completion`: what a shell must know to complete commands and options."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    \b
    bash  add to ~/.bashrc:  eval "$(ocrfarm completion bash)"
    zsh   add to ~/.zshrc:   eval "$(ocrfarm completion zsh)"
    fish  once:              ocrfarm completion fish > ~/.config/fish/completions/ocrfarm.fish
    """  # noqa: D301 - \b is click's mark for lines to be kept
    make = get_completion_class(shell)
    assert make
    click.echo(make(context.find_root().command, {}, "ocrfarm", "_OCRFARM_COMPLETE").source())
