cdef class Site:
    cdef public object spot, fire
    cdef public list watchers, listening
    cdef public bint resting
    cdef public long long idle
