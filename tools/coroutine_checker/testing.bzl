"""What the checker's own tests need."""

def _tool_for_tests(ctx):
    file = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = file, target_file = ctx.executable.tool, is_executable = True)
    return [DefaultInfo(files = depset([file]), runfiles = ctx.runfiles([file, ctx.executable.tool]))]

tool_for_tests = rule(
    implementation = _tool_for_tests,
    doc = "A tool as actions use it, optimised, so that tests do not build it a second time.",
    attrs = {"tool": attr.label(executable = True, cfg = "exec", mandatory = True)},
)
