cdef class Histogram:
    cdef public object count, zero, unusable
    cdef public double sum, min, max
    cdef public dict positive, negative
    cdef public list waiting
