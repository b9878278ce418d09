cdef class Outbox:
    cdef public Py_ssize_t capacity
    cdef public Py_ssize_t max_values
    cdef public Py_ssize_t max_bytes
    cdef public object wake
    cdef public bint asleep
    cdef public object drops
    cdef public long long bytes_held
    cdef public object _ring
    cdef public long long _values
    cdef public object _captures
    cdef public object _outcomes
    cdef object __weakref__
