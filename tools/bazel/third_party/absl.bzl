"""Abseil, from the system's packages or from source."""

# name: label in Abseil's sources.
_TARGETS = {
    "core_headers": "@com_google_absl//absl/base:core_headers",
    "flat_hash_map": "@com_google_absl//absl/container:flat_hash_map",
    "inlined_vector": "@com_google_absl//absl/container:inlined_vector",
    "flags": "@com_google_absl//absl/flags:flag",
    "flags_parse": "@com_google_absl//absl/flags:parse",
    "flags_usage": "@com_google_absl//absl/flags:usage",
    "span": "@com_google_absl//absl/types:span",
    "status": "@com_google_absl//absl/status:status",
    "statusor": "@com_google_absl//absl/status:statusor",
    "str_format": "@com_google_absl//absl/strings:str_format",
    "strings": "@com_google_absl//absl/strings:strings",
    "time": "@com_google_absl//absl/time:time",
}

# Debian's libabsl-dev: all of it that the above need (an archive gives only the members that are needed).
_SYSTEM_ARCHIVES = [
    "flags_parse",
    "flags_usage",
    "flags_usage_internal",
    "flags_internal",
    "flags_marshalling",
    "flags_reflection",
    "flags_private_handle_accessor",
    "flags_commandlineflag",
    "flags_commandlineflag_internal",
    "flags_config",
    "flags_program_name",
    "statusor",
    "status",
    "cord",
    "cordz_info",
    "cord_internal",
    "cordz_functions",
    "cordz_handle",
    "hash",
    "city",
    "bad_variant_access",
    "low_level_hash",
    "raw_hash_set",
    "bad_optional_access",
    "hashtablez_sampler",
    "exponential_biased",
    "synchronization",
    "graphcycles_internal",
    "stacktrace",
    "str_format_internal",
    "strerror",
    "symbolize",
    "debugging_internal",
    "demangle_internal",
    "malloc_internal",
    "time",
    "civil_time",
    "time_zone",
    "strings",
    "strings_internal",
    "base",
    "spinlock_wait",
    "int128",
    "throw_delegate",
    "raw_logging_internal",
    "log_severity",
]

def absl_aliases():
    """Declares one target for each of Abseil's, which follows --define=deps=system|source."""
    native.cc_library(
        name = "system_absl",
        linkopts = ["-Wl,--start-group"] +
                   ["-l:libabsl_%s.a" % archive for archive in _SYSTEM_ARCHIVES] +
                   ["-Wl,--end-group"],
    )
    for name, label in _TARGETS.items():
        native.cc_library(
            name = "absl_" + name,
            deps = select({
                ":system_deps": [":system_absl"],
                "//conditions:default": [
                    label,
                    ":sanitizer_defaults",
                ],
            }),
        )
