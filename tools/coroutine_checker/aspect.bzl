"""Runs the coroutine checker on C++ targets.

    bazel build --config=coroutines //...

is `--aspects=@pelton//tools/coroutine_checker:aspect.bzl%coroutine_check_aspect --output_groups=coroutine_check`, and fails
when something is found. `coroutine_check_test` does the same for some targets and all that they depend on, as a test.
"""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "CPP_COMPILE_ACTION_NAME")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

CoroutineReportsInfo = provider(
    doc = "What the checker found.",
    fields = {"reports": "depset of files, one for each source, of the target and what it depends on"},
)

_SUFFIXES = ["cc", "cpp", "cxx", "c++", "C", "h", "hh", "hpp", "hxx"]

def _compiler_flags(ctx, compilation):
    """The flags that the target's sources are compiled with."""
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    local_defines = getattr(ctx.rule.attr, "local_defines", [])
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + getattr(ctx.rule.attr, "copts", []),
        include_directories = compilation.includes,
        quote_include_directories = compilation.quote_includes,
        system_include_directories = compilation.system_includes,
        preprocessor_defines = depset(local_defines, transitive = [compilation.defines]),
    )
    flags = cc_common.get_memory_inefficient_command_line(
        feature_configuration = features,
        action_name = CPP_COMPILE_ACTION_NAME,
        variables = variables,
    )
    return flags + ["-x", "c++"]

def _own_sources(ctx):
    """The target's C++ sources and headers."""
    files = []
    for attribute in ["srcs", "hdrs"]:
        for target in getattr(ctx.rule.attr, attribute, []):
            files += [f for f in target.files.to_list() if f.extension in _SUFFIXES]
    return files

def _reports(target, ctx):
    compilation = target[CcInfo].compilation_context
    flags = _compiler_flags(ctx, compilation)
    sources = _own_sources(ctx)
    reports = []
    for source in sources:
        report = ctx.actions.declare_file("%s.coroutines/%s.txt" % (ctx.label.name, source.short_path.replace("../", "")))
        arguments = ctx.actions.args()
        arguments.add("--report=" + report.path)
        arguments.add(source)
        arguments.add("--")
        arguments.add_all(flags)
        ctx.actions.run(
            executable = ctx.executable._checker,
            arguments = [arguments],
            inputs = depset(sources, transitive = [compilation.headers]),
            outputs = [report],
            mnemonic = "CheckCoroutines",
            progress_message = "Checking coroutines of " + source.short_path,
        )
        reports.append(report)
    return reports

def _verdict(ctx, reports):
    """A file that can only be made when the reports are empty."""
    verdict = ctx.actions.declare_file(ctx.label.name + ".coroutines/clean")
    ctx.actions.run_shell(
        command = 'out="$1"; shift; if cat "$@" | sort -u | grep . >&2; then exit 1; fi; touch "$out"',
        arguments = [ctx.actions.args().add(verdict).add_all(reports)],
        inputs = reports,
        outputs = [verdict],
        mnemonic = "JudgeCoroutines",
        progress_message = "Judging coroutines of %s" % ctx.label,
    )
    return verdict

def _coroutine_check_aspect(target, ctx):
    below = [
        dep[CoroutineReportsInfo].reports
        for dep in getattr(ctx.rule.attr, "deps", [])
        if CoroutineReportsInfo in dep
    ]

    # Other workspaces' targets are for their owners to check.
    if CcInfo not in target or ctx.label.workspace_name:
        return [CoroutineReportsInfo(reports = depset(transitive = below))]
    reports = _reports(target, ctx)
    verdicts = [_verdict(ctx, reports)] if reports else []
    return [
        CoroutineReportsInfo(reports = depset(reports, transitive = below)),
        OutputGroupInfo(coroutine_check = depset(verdicts)),
    ]

coroutine_check_aspect = aspect(
    implementation = _coroutine_check_aspect,
    doc = "Checks the coroutines of C++ targets of this workspace; the output group coroutine_check fails on a finding.",
    attr_aspects = ["deps"],
    attrs = {
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
        "_checker": attr.label(
            default = "//tools/coroutine_checker",
            executable = True,
            cfg = "exec",
        ),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)

def _coroutine_check_test(ctx):
    reports = depset(transitive = [dep[CoroutineReportsInfo].reports for dep in ctx.attr.deps])
    ctx.actions.write(
        output = ctx.outputs.executable,
        content = "#!/bin/sh\nif cat %s | sort -u | grep .; then exit 1; fi\n" %
                  " ".join(["'%s'" % report.short_path for report in reports.to_list()]),
        is_executable = True,
    )
    return [DefaultInfo(runfiles = ctx.runfiles(transitive_files = reports))]

coroutine_check_test = rule(
    implementation = _coroutine_check_test,
    doc = "Fails, with the findings, when the checker finds something in `deps` or what they depend on in this workspace.",
    attrs = {"deps": attr.label_list(aspects = [coroutine_check_aspect], mandatory = True)},
    test = True,
)

def _coroutine_reports(ctx):
    reports = depset(transitive = [dep[CoroutineReportsInfo].reports for dep in ctx.attr.deps])
    return [DefaultInfo(files = reports, runfiles = ctx.runfiles(transitive_files = reports))]

coroutine_reports = rule(
    implementation = _coroutine_reports,
    doc = "The findings in `deps` and what they depend on in this workspace: a file for each source, empty when there are none.",
    attrs = {"deps": attr.label_list(aspects = [coroutine_check_aspect], mandatory = True)},
)
