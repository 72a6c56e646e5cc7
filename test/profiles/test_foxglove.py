"""Foxglove as a node of a rig."""

import pytest

from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.load import load_profile
from rig_capture.profiles.nodes import describe_nodes


@pytest.mark.parametrize("profile", ["sim", "lab", "field"])
def test_no_packaged_profile_serves_foxglove_unless_asked(profile: str) -> None:
    assert "foxglove" not in {node.name for node in describe_nodes(load_profile(profile).profile)}
    # As `rig up --foxglove` and `foxglove:=true` ask.
    asked = load_profile(profile, overrides={"foxglove": "{}", "foxglove.port": "9000"}).profile
    assert {node.name: node.parameters for node in describe_nodes(asked)}["foxglove"]["port"] == 9000


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_it_listens_on_loopback(address: str) -> None:
    assert load_profile("sim", overrides={"foxglove.address": address}).profile.foxglove is not None


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.20", "rig.example"])
def test_it_listens_for_others_only_where_that_is_said(address: str) -> None:
    with pytest.raises(ProfileError, match="there is no password: set allow_network=true"):
        load_profile("sim", overrides={"foxglove.address": address})
    assert load_profile("sim", overrides={"foxglove.address": address, "foxglove.allow_network": "true"}).profile.foxglove is not None


def test_an_empty_list_of_services_is_no_way_to_offer_none() -> None:
    with pytest.raises(ProfileError, match=r"foxglove\.services: .*at least 1 item"):
        load_profile("sim", overrides={"foxglove.services": "[]"})
    profile = load_profile("sim", overrides={"foxglove.services": "[none]"}).profile
    assert profile.foxglove is not None
    assert profile.foxglove.services == ("none",)
