cdef class Rate:
    cdef public double interval
    cdef public double tolerance
    cdef public double until

cdef class Budget:
    cdef public double share
    cdef public long long balance
    cdef public long long total
    cdef public double _filled_at
    cdef object __weakref__
