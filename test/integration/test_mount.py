"""Where sensors sit, on /tf_static."""

from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from tf2_msgs.msg import TFMessage

from rig_capture.nodes.common.qos import state_qos
from test.integration.nodes import Ear, running

pytestmark = pytest.mark.integration


def frames(messages: list[Any]) -> dict[str, Any]:
    """What was heard last of each frame."""
    return {each.child_frame_id: each for message in messages for each in message.transforms}


def test_a_sensor_tells_its_place_also_to_who_comes_later_and_when_it_is_moved(ear: Ear, namespace: str, tmp_path: Path) -> None:
    name = namespace.strip("/")
    place = {"mount_parent": "base_link", "mount_xyz": "[0.1, 0.0, 0.5]", "mount_rotation": "[0.0, 0.0, 1.5708]"}
    with running("camera", namespace, tmp_path, {"width": 320, "height": 240, **place}, name=name):
        heard = ear.hear(TFMessage, "/tf_static", state_qos(50))
        optical = f"{name}_optical_frame"
        ear.until(lambda: optical in frames(heard), "the camera's frames")
        body, picture = frames(heard)[name], frames(heard)[optical]
        assert (body.header.frame_id, picture.header.frame_id) == ("base_link", name)
        translation, turn = body.transform.translation, body.transform.rotation
        assert (translation.x, translation.y, translation.z) == (0.1, 0.0, 0.5)
        assert (turn.z, turn.w) == pytest.approx((0.7071, 0.7071), abs=1e-4)
        turn = picture.transform.rotation
        # What lies ahead in the picture (z) lies ahead of the camera (x).
        assert (turn.x, turn.y, turn.z, turn.w) == (-0.5, 0.5, -0.5, 0.5)

        client = ear.node.create_client(SetParameters, f"{namespace}/{name}/set_parameters")
        ear.until(client.service_is_ready, "the service of the parameters")
        moved = Parameter("mount_xyz", value=[0.2, 0.0, 0.5]).to_parameter_msg()
        answer = client.call_async(SetParameters.Request(parameters=[moved]))
        ear.until(lambda: answer.done() and frames(heard)[name].transform.translation.x == 0.2, "the new place")
        assert answer.result().results[0].successful

        late = ear.hear(TFMessage, "/tf_static", state_qos(50))
        ear.until(lambda: optical in frames(late), "the frames, for who comes later")
        assert frames(late)[name].transform.translation.x == 0.2
