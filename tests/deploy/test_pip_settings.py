"""pip's configuration, read once and said again in uv's words."""

from deploy.bootstrap import pip_settings
from deploy.bootstrap.pip_settings import PipSettings


def test_nothing_configured_is_the_public_index() -> None:
    settings = pip_settings.parse("")
    assert settings.is_default
    assert pip_settings.uv_arguments(settings) == []


def test_each_source_of_packages_is_handed_on() -> None:
    listing = "\n".join(
        [
            "global.index-url='https://mirror.example/simple'",
            "global.extra-index-url='https://a.example/simple https://b.example/simple'",
            "global.find-links='\\n/opt/one\\n/opt/two'",
            "global.trusted-host='mirror.example'",
            "install.only-binary='numpy,scipy'",
        ]
    )
    assert pip_settings.uv_arguments(pip_settings.parse(listing)) == [
        *("--default-index", "https://mirror.example/simple"),
        *("--index", "https://a.example/simple", "--index", "https://b.example/simple"),
        *("--index-strategy", "unsafe-best-match"),
        *("--find-links", "/opt/one", "--find-links", "/opt/two"),
        *("--allow-insecure-host", "mirror.example"),
        *("--only-binary", "numpy", "--only-binary", "scipy"),
    ]


def test_the_environment_overrules_the_files_as_in_pip() -> None:
    listing = ":env:.find-links='/from/env'\nglobal.find-links='/from/file'\ninstall.cert='/c'"
    settings = pip_settings.parse(listing)
    assert settings.find_links == ("/from/env",)
    assert settings.cert == "/c"


def test_without_an_index_only_the_folders_count() -> None:
    listing = "global.no-index='true'\nglobal.index-url='https://x'\nglobal.find-links='/w'"
    settings = pip_settings.parse(listing)
    assert not settings.is_default
    assert pip_settings.uv_arguments(settings) == ["--no-index", "--find-links", "/w"]


def test_other_sections_and_broken_lines_are_passed_over() -> None:
    assert pip_settings.parse("wheel.index-url='x'\nnonsense\nlist.format='json'") == PipSettings()


def test_a_certificate_set_for_uv_already_stays() -> None:
    settings = PipSettings(cert="/pip.pem", proxy="http://proxy:3128", timeout_seconds="60")
    told = pip_settings.uv_environment(settings, {"SSL_CERT_FILE": "/own.pem", "https_proxy": "p"})
    assert told["SSL_CERT_FILE"] == "/own.pem"
    assert "HTTPS_PROXY" not in told
    assert told["HTTP_PROXY"] == "http://proxy:3128"
    assert told["UV_HTTP_TIMEOUT"] == "60"
