"""Property-based tests are judged by what they find, never by how long an example took."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "without a clock",
    parent=settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("without a clock")
