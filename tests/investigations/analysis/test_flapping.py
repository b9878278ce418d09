from investigations.analysis.flapping import is_flapping


def test_an_alert_flaps_at_four_changes_in_half_an_hour_and_stops_later():
    changes = [0, 300, 600, 900]
    assert is_flapping(changes, 1000)
    assert not is_flapping(changes[:3], 1000)
    assert is_flapping(changes, 2200, was_flapping=True)
    assert not is_flapping(changes, 2800, was_flapping=True)
