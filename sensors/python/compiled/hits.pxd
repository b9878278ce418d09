from sightline.limits cimport Budget, Rate
from sightline.outbox cimport Outbox

cdef object _getframe
cdef object _get_ident
cdef object _monotonic
cdef object _thread_time_ns

cdef class Room:
    cdef public bint guarded
    cdef public object engine
    cdef public Outbox outbox
    cdef public Budget budget
    cdef public object redactor
    cdef public set busy
    cdef object __weakref__

cdef class Tally:
    cdef public long long captured, condition_false, rate_limited, condition_error, evaluation_budget, over_budget
    cdef public long long deadline, queue_full, hit_limit, re_entrant, sensor_error, rare

cdef class ProbeHits:
    cdef public object probe, condition, value, parts, watches, scope, wants, shed_because, last_error, last_value_error
    cdef public object kind
    cdef public Room room
    cdef public Tally tally
    cdef public Rate rate
    cdef public long long since, cost_ns
    cdef public double left, _unobserved, _resting_since
    cdef public long long resting_lines
    cdef object __weakref__

cdef class Listener:
    cdef public object fire, hits, points, wants
