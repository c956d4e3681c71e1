/* Ints and floats: lists to packed buffers. */

#include "core.h"

/* The floats of a list or tuple as they stand in memory; None if one is not exactly a float. */
static PyObject *
pack_floats(PyObject *module, PyObject *values)
{
    if (!PyList_CheckExact(values) && !PyTuple_CheckExact(values))
        Py_RETURN_NONE;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    if (count > PY_SSIZE_T_MAX / 8)
        return PyErr_NoMemory();
    PyObject *packed = PyBytes_FromStringAndSize(NULL, count * 8);
    if (packed == NULL)
        return NULL;
    double *out = (double *)PyBytes_AS_STRING(packed);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        if (!PyFloat_CheckExact(value)) {
            Py_DECREF(packed);
            Py_RETURN_NONE;
        }
        double number = PyFloat_AS_DOUBLE(value);
        memcpy(out + i, &number, 8);
    }
    return packed;
}

PyMethodDef numbers_methods[] = {
    {"pack_floats", pack_floats, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
