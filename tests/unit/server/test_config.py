"""Settings: where values come from, what is refused, what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from server.config import ConfigError, Settings, VendorAccess, describe, load


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_is_the_defaults_in_the_data_directory(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path}, {}).settings
    assert (settings.host, settings.port, settings.profile, settings.auth) == ("127.0.0.1", 8321, "local", True)
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/concordat.db"
    assert settings.blob_url.get_secret_value() == f"file://{tmp_path}/blobs"
    assert settings.catalog_file == tmp_path / "catalog.yaml"


def test_command_line_goes_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = write(tmp_path / "concordat.yaml", "port: 1\nhost: 127.0.0.3\nlog_level: debug\n")
    environ = {"CONCORDAT_DATA_DIR": str(tmp_path), "CONCORDAT_PORT": "2", "CONCORDAT_HOST": "127.0.0.2"}
    loaded = load({"port": 3, "host": None}, environ)
    settings = loaded.settings
    assert (settings.port, settings.host, settings.log_level) == (3, "127.0.0.2", "debug")
    origins = [loaded.origins[name] for name in ("port", "host", "log_level", "root")]
    assert origins == ["command line", "CONCORDAT_HOST", str(file), "default"]


def test_config_variable_names_another_file(tmp_path: Path) -> None:
    file = write(tmp_path / "other.yaml", f"data_dir: {tmp_path}/elsewhere\n")
    assert load({}, {"CONCORDAT_CONFIG": str(file)}).settings.data_dir == tmp_path / "elsewhere"


def test_blank_values_are_not_given(tmp_path: Path) -> None:
    write(tmp_path / "concordat.yaml", "host:\n")
    loaded = load({"data_dir": tmp_path}, {"CONCORDAT_PORT": " ", "CONCORDAT_DATABASE_URL": ""})
    assert loaded.origins["port"] == loaded.origins["host"] == loaded.origins["database_url"] == "default"


def test_lists_are_separated_by_commas_or_are_lists(tmp_path: Path) -> None:
    write(tmp_path / "concordat.yaml", "cors_origins: [https://a.example, https://b.example]\n")
    settings = load({"data_dir": tmp_path}, {"CONCORDAT_APIS": "ipop, llama-stack"}).settings
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.apis == ("ipop", "llama_stack")


def test_root_mounts_one_api(tmp_path: Path) -> None:
    assert load({"root": "llama-stack", "data_dir": tmp_path}, {}).settings.mounted_apis == ("llama_stack",)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"CONCORDAT_PORT": "many"}, "port (CONCORDAT_PORT)"),
        ({"CONCORDAT_PORT": "65536"}, "port (CONCORDAT_PORT)"),
        ({"CONCORDAT_ROOT": "openai"}, "root (CONCORDAT_ROOT)"),
        ({"CONCORDAT_APIS": "ipop,openai"}, "apis (CONCORDAT_APIS)"),
        ({"CONCORDAT_APIS": "ipop", "CONCORDAT_ROOT": "maniac"}, "not among apis"),
        ({"CONCORDAT_PROFILE": "staging"}, "profile (CONCORDAT_PROFILE)"),
        ({"CONCORDAT_DATABASE_URL": "mysql://root:hunter22@h/db"}, "must begin with sqlite:/// or postgresql://"),
        ({"CONCORDAT_BLOB_URL": "ftp://bucket"}, "must begin with file:///, s3://, gs:// or az://"),
        ({"CONCORDAT_BLOB_URL": "s3://me:hunter22@bucket"}, "no credentials"),
        ({"CONCORDAT_BLOB_URL": "s3://bucket?secret=hunter22"}, "has no option secret"),
        ({"CONCORDAT_BOOTSTRAP_KEYS": "hunter22hunter22"}, "must be project=key"),
        ({"CONCORDAT_BOOTSTRAP_KEYS": "Big Project=hunter22hunter22"}, "must be project=key"),
        ({"CONCORDAT_CATALOG": "nowhere/catalog.yaml"}, "there is no file"),
        ({"CONCORDAT_CONFIG": "nowhere/concordat.yaml"}, "there is no file"),
        ({"CONCORDAT_BOOTSTRAP_ADMIN_TOKEN_FILE": "nowhere/token"}, "cannot be read"),
        ({"CONCORDAT_DATABASE_URL": "sqlite:///a", "CONCORDAT_DATABASE_URL_FILE": "b"}, "keep one"),
    ],
)
def test_a_wrong_setting_is_named_without_its_secret(tmp_path: Path, environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"data_dir": tmp_path}, environ)
    assert said in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("text", ["port: [", "- port", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "concordat.yaml", text)
    with pytest.raises(ConfigError, match="not a YAML file of settings") as caught:
        load({"data_dir": tmp_path}, {})
    assert str(file) in str(caught.value)


def test_an_unknown_name_is_an_error_in_the_file_and_a_warning_in_the_environment(tmp_path: Path) -> None:
    assert load({"data_dir": tmp_path}, {"CONCORDAT_PROT": "1"}).warnings == ("CONCORDAT_PROT is no setting",)
    write(tmp_path / "concordat.yaml", "prot: 1\n")
    with pytest.raises(ConfigError, match="there is no setting 'prot'"):
        load({"data_dir": tmp_path}, {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_without_auth_only_loopback_is_listened_on(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="only listens on loopback"):
        load({"auth": False, "host": host, "data_dir": tmp_path}, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "::1", "localhost"])
def test_without_auth_loopback_is_fine(tmp_path: Path, host: str) -> None:
    assert load({"auth": False, "host": host, "data_dir": tmp_path}, {}).settings.host == host


def test_every_secret_can_come_from_a_file(tmp_path: Path) -> None:
    environ = {
        "CONCORDAT_DATABASE_URL_FILE": str(write(tmp_path / "database", "postgresql://me:pw@h/db\n")),
        "CONCORDAT_BOOTSTRAP_KEYS_FILE": str(write(tmp_path / "keys", "default=ck_0123456789, b=ck_9876543210\n")),
        "CONCORDAT_BOOTSTRAP_ADMIN_TOKEN_FILE": str(write(tmp_path / "token", "ca_0123456789\n")),
        "OPENAI_API_KEY_FILE": str(write(tmp_path / "openai", "sk-from-a-file\n")),
    }
    loaded = load({"data_dir": tmp_path}, environ)
    settings = loaded.settings
    assert settings.database_url.get_secret_value() == "postgresql://me:pw@h/db"
    assert settings.bootstrap_pairs() == (
        ("default", SecretStr("ck_0123456789")),
        ("b", SecretStr("ck_9876543210")),
    )
    assert settings.bootstrap_admin_token == SecretStr("ca_0123456789")
    assert settings.vendor_access("openai", "OPENAI_API_KEY").key == SecretStr("sk-from-a-file")
    assert loaded.warnings == ()


def test_vendors_are_reached_as_the_environment_says(tmp_path: Path) -> None:
    environ = {"XAI_API_KEY": "xai-key", "XAI_BASE_URL": "http://127.0.0.1:9/v1/", "MY_BASE_URL": " "}
    settings = load({"data_dir": tmp_path}, environ).settings
    assert settings.vendor_access("xai", "XAI_API_KEY") == VendorAccess(SecretStr("xai-key"), "http://127.0.0.1:9/v1")
    assert settings.vendor_access("my", "MY_API_KEY") == VendorAccess(None, None)


def test_nothing_shown_holds_a_secret(tmp_path: Path) -> None:
    environ = {
        "CONCORDAT_DATABASE_URL": "postgresql://me:hunter@22@h/db?password=hunter22",
        "CONCORDAT_BOOTSTRAP_KEYS": "default=hunter22hunter22",
        "CONCORDAT_BOOTSTRAP_ADMIN_TOKEN": "hunter22",
        "OPENAI_API_KEY": "hunter22",
    }
    loaded = load({"data_dir": tmp_path}, environ)
    shown = {name: value for name, value, _ in describe(loaded)}
    assert shown["database_url"] == "postgresql://me:*****@h/db?password=*****"
    assert shown.keys() == Settings.model_fields.keys()
    everything = f"{shown} {loaded} {loaded.settings!r} {loaded.settings}"
    assert "hunter" not in everything


def test_the_secrets_in_force_are_known_to_the_logs(tmp_path: Path) -> None:
    environ = {
        "CONCORDAT_DATABASE_URL": "postgresql://me:hunter22@h/db",
        "CONCORDAT_BOOTSTRAP_KEYS": "default=ck_0123456789",
        "OPENAI_API_KEY": "sk-0123456789",
        "GROQ_API_KEY_FILE": str(write(tmp_path / "groq", "gsk-in-a-file")),
    }
    secrets = load({"data_dir": tmp_path}, environ).settings.secret_values()
    assert {"hunter22", "ck_0123456789", "sk-0123456789", "gsk-in-a-file"} <= secrets


def test_settings_made_by_hand_read_no_environment() -> None:
    assert Settings().vendor_access("openai", "PATH") == VendorAccess(None, None)
