/* Values in memory beside stored ones: whether they would be stored alike. */

#include "core.h"

enum { SAME, PERHAPS, OTHER };
enum { LEVELS = 3 }; /* of values inside each other that are compared */

static int compare(PyObject *value, PyObject *stored, int levels);

/* `compare` for the items of two lists or tuples. */
static int
compare_items(PyObject *value, PyObject *stored, int levels)
{
    int most = SAME;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(value);
    if (count != PySequence_Fast_GET_SIZE(stored))
        return OTHER;
    for (Py_ssize_t i = 0; most != OTHER && i < count; i++) {
        int found = PERHAPS; /* where a list has become shorter */
        if (i < PySequence_Fast_GET_SIZE(value) && i < PySequence_Fast_GET_SIZE(stored)) {
            PyObject *mine = Py_NewRef(PySequence_Fast_GET_ITEM(value, i));
            found = compare(mine, PySequence_Fast_GET_ITEM(stored, i), levels);
            Py_DECREF(mine);
        }
        if (found < 0)
            return found;
        most = found > most ? found : most;
    }
    return most;
}

/* `compare` for the keys and values of two dictionaries, which are stored in order. */
static int
compare_pairs(PyObject *value, PyObject *stored, int levels)
{
    int most = SAME;
    PyObject *mine[2], *theirs[2];
    Py_ssize_t here = 0, there = 0;
    if (PyDict_GET_SIZE(value) != PyDict_GET_SIZE(stored))
        return OTHER;
    while (most != OTHER && PyDict_Next(value, &here, &mine[0], &mine[1]) &&
           PyDict_Next(stored, &there, &theirs[0], &theirs[1])) {
        Py_INCREF(mine[0]);
        Py_INCREF(mine[1]);
        for (int i = 0; most >= SAME && most != OTHER && i < 2; i++) {
            int found = compare(mine[i], theirs[i], levels);
            most = found < 0 || found > most ? found : most;
        }
        Py_DECREF(mine[0]);
        Py_DECREF(mine[1]);
        if (most < SAME)
            break;
    }
    return most;
}

/* Whether two values are stored alike, as far as their types tell; -1 on an error. */
static int
compare(PyObject *value, PyObject *stored, int levels)
{
    PyTypeObject *cls = Py_TYPE(value);
    if (cls != Py_TYPE(stored))
        return PERHAPS;
    if (cls == &PyLong_Type || cls == &PyUnicode_Type || cls == &PyBytes_Type) {
        int equal = PyObject_RichCompareBool(value, stored, Py_EQ);
        return equal < 0 ? equal : equal ? SAME : OTHER;
    }
    if (cls == &PyBool_Type || value == Py_None)
        return value == stored ? SAME : OTHER;
    if (cls == &PyFloat_Type) {
        double mine = PyFloat_AS_DOUBLE(value), theirs = PyFloat_AS_DOUBLE(stored);
        int numbers = mine == mine || theirs == theirs;
        return memcmp(&mine, &theirs, sizeof mine) == 0 ? SAME : numbers ? OTHER : PERHAPS;
    }
    if (levels < 1 || !(is_sequence(value) || PyDict_CheckExact(value)))
        return PERHAPS;
    int found;
    BEGIN_LOCKED(value);
    found = is_sequence(value) ? compare_items(value, stored, levels - 1) : compare_pairs(value, stored, levels - 1);
    END_LOCKED;
    return found;
}

/* compare_values(values, stored): a byte for each value: 0 where it is surely stored as the stored one is, 2 where it
   surely is not, else 1. None where all are 0. */
static PyObject *
compare_values(PyObject *module, PyObject *args)
{
    PyObject *values, *stored, *found = NULL;
    if (!PyArg_ParseTuple(args, "OO:compare_values", &values, &stored))
        return NULL;
    values = PySequence_Tuple(values);
    stored = values == NULL ? NULL : PySequence_Tuple(stored);
    if (stored == NULL) {
        Py_XDECREF(values);
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(values);
    if (count != PyTuple_GET_SIZE(stored))
        PyErr_SetString(PyExc_ValueError, "there are more values on one side");
    else
        found = PyBytes_FromStringAndSize(NULL, count);
    int all = SAME;
    for (Py_ssize_t i = 0; found != NULL && i < count; i++) {
        int each = compare(PyTuple_GET_ITEM(values, i), PyTuple_GET_ITEM(stored, i), LEVELS);
        if (each < 0)
            Py_CLEAR(found);
        else
            PyBytes_AS_STRING(found)[i] = (char)each;
        all |= each;
    }
    if (found != NULL && all == SAME)
        Py_SETREF(found, Py_NewRef(Py_None));
    Py_DECREF(values);
    Py_DECREF(stored);
    return found;
}

PyMethodDef compare_methods[] = {
    {"compare_values", compare_values, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
