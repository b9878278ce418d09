"""The locals of a frame, read one at a time: `f_locals` makes a dict of them all before 3.13, and a view from then on."""

cdef extern from "Python.h":
    ctypedef struct PyFrameObject
    ctypedef struct PyCodeObject:
        int co_flags
    PyCodeObject* PyFrame_GetCode(PyFrameObject*)
    object PyFrame_GetVar(PyFrameObject*, object)
    void Py_DECREF(PyCodeObject*)

cdef int OPTIMIZED = 0x1  # inspect.CO_OPTIMIZED: of functions alone; a class body's names are in a dict of its own


cdef class Locals:
    """A mapping from names to values, for as long as its frame is looked at."""

    cdef object frame
    cdef bint optimized

    def __init__(self, frame):
        cdef PyCodeObject* code = PyFrame_GetCode(<PyFrameObject*>frame)
        self.frame = frame
        self.optimized = code.co_flags & OPTIMIZED
        Py_DECREF(code)

    def __getitem__(self, name):
        if not self.optimized:
            return self.frame.f_locals[name]
        try:
            return PyFrame_GetVar(<PyFrameObject*>self.frame, name)
        except NameError:
            raise KeyError(name) from None

    def keys(self):
        return self.frame.f_locals.keys()
