/* Many values at once: their types, their items, what is there of what may be None, some pairs of a dictionary. */

#include "core.h"

/* types_of(values): the set of the types of some values. */
static PyObject *
types_of_locked(PyObject *values)
{
    PyObject *types = PySet_New(NULL);
    PyTypeObject *last = NULL;
    for (Py_ssize_t i = 0; types != NULL && i < PySequence_Fast_GET_SIZE(values); i++) {
        PyTypeObject *cls = Py_TYPE(PySequence_Fast_GET_ITEM(values, i));
        if (cls == last)
            continue;
        Py_INCREF(cls);
        if (PySet_Add(types, (PyObject *)cls) < 0)
            Py_CLEAR(types);
        Py_DECREF(cls);
        last = cls;
    }
    return types;
}

SEQUENCE_METHOD(types_of)

/* tuples_apart(values, size): a list with a tuple of the items at each place of some sequences; None when one does not
   have `size` items, or there is none. */
static PyObject *
tuples_apart_of(PyObject *values, Py_ssize_t size)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    PyObject *first = count ? Py_NewRef(PySequence_Fast_GET_ITEM(values, 0)) : NULL;
    Py_ssize_t found = first == NULL ? -1 : PyObject_Size(first);
    Py_XDECREF(first);
    if (found < 0 && PyErr_Occurred())
        return NULL;
    if (found < 0 || found != size)
        Py_RETURN_NONE;
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result != NULL && i < size; i++) {
        PyObject *column = PyTuple_New(count);
        if (column == NULL || PyList_Append(result, column) < 0)
            Py_CLEAR(result);
        Py_XDECREF(column);
    }
    int fits = count > 0;
    for (Py_ssize_t k = 0; result != NULL && fits && k < count; k++) {
        PyObject *value = k < PySequence_Fast_GET_SIZE(values) ? PySequence_Fast_GET_ITEM(values, k) : NULL;
        Py_XINCREF(value); /* making a tuple may run code that lets go of it */
        if (value != NULL && !PyTuple_CheckExact(value))
            Py_SETREF(value, PySequence_Tuple(value));
        if (value == NULL && PyErr_Occurred())
            Py_CLEAR(result);
        fits = value != NULL && PyTuple_GET_SIZE(value) == size;
        for (Py_ssize_t i = 0; fits && i < size; i++)
            PyTuple_SET_ITEM(PyList_GET_ITEM(result, i), k, Py_NewRef(PyTuple_GET_ITEM(value, i)));
        Py_XDECREF(value);
    }
    if (result == NULL || fits)
        return result;
    Py_DECREF(result);
    Py_RETURN_NONE;
}

static PyObject *
tuples_apart(PyObject *module, PyObject *args)
{
    PyObject *values, *result;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "On:tuples_apart", &values, &size) || (values = as_sequence(values)) == NULL)
        return NULL;
    BEGIN_LOCKED(values);
    result = tuples_apart_of(values, size);
    END_LOCKED;
    Py_DECREF(values);
    return result;
}

/* are_distinct(values): whether no object stands twice among some values. */
static PyObject *
are_distinct_locked(PyObject *values)
{
    size_t count = (size_t)PySequence_Fast_GET_SIZE(values), slots = 8;
    while (slots < 2 * count)
        slots *= 2;
    PyObject **met = PyMem_Calloc(slots, sizeof *met);
    if (met == NULL)
        return PyErr_NoMemory();
    int distinct = 1;
    for (size_t i = 0; distinct && i < count; i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        size_t slot = (size_t)(((uint64_t)(uintptr_t)value >> 4) * 0x9E3779B97F4A7C15ULL >> 32) & (slots - 1);
        while (met[slot] != NULL && met[slot] != value)
            slot = (slot + 1) & (slots - 1);
        distinct = met[slot] == NULL;
        met[slot] = value;
    }
    PyMem_Free(met);
    return PyBool_FromLong(distinct);
}

SEQUENCE_METHOD(are_distinct)

/* spaced(source, step, count): `count` pairs of a dictionary, the first one and each `step`th after it. */
static PyObject *
spaced(PyObject *module, PyObject *args)
{
    PyObject *source, *key, *value;
    Py_ssize_t step, count, place = 0;
    if (!PyArg_ParseTuple(args, "O!nn:spaced", &PyDict_Type, &source, &step, &count))
        return NULL;
    if (step < 1) {
        PyErr_SetString(PyExc_ValueError, "the step is 1 at least");
        return NULL;
    }
    PyObject *keys = PyList_New(0), *values = PyList_New(0), *found = PyDict_New();
    int fine = keys != NULL && values != NULL && found != NULL;
    BEGIN_LOCKED(source);
    Py_ssize_t left = 0; /* pairs until the next one that counts */
    while (fine && PyList_GET_SIZE(keys) < count && PyDict_Next(source, &place, &key, &value))
        if (left-- == 0) {
            left = step - 1;
            Py_INCREF(key);
            Py_INCREF(value);
            fine = PyList_Append(keys, key) == 0 && PyList_Append(values, value) == 0;
            Py_DECREF(key);
            Py_DECREF(value);
        }
    END_LOCKED;
    for (Py_ssize_t i = 0; fine && i < PyList_GET_SIZE(keys); i++)
        fine = PyDict_SetItem(found, PyList_GET_ITEM(keys, i), PyList_GET_ITEM(values, i)) == 0;
    Py_XDECREF(keys);
    Py_XDECREF(values);
    if (!fine)
        Py_CLEAR(found);
    return found;
}

/* Append the items of any iterable to a list; -1 on an error. */
static int
append_all(PyObject *list, PyObject *items)
{
    PyObject *iterator = PyObject_GetIter(items), *item;
    if (iterator == NULL)
        return -1;
    while ((item = PyIter_Next(iterator)) != NULL) {
        int failed = PyList_Append(list, item);
        Py_DECREF(item);
        if (failed)
            break;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* The number of items of exact lists and tuples together; -1 if one is of another type. */
static Py_ssize_t
total_of(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values), total = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        if (!is_sequence(value))
            return -1;
        total += PySequence_Fast_GET_SIZE(value);
        if (PySequence_Fast_GET_SIZE(value))
            PREFETCH(PySequence_Fast_ITEMS(value));
    }
    return total;
}

/* Append the items of exact lists and tuples to `found`, which has room for `total`: how many; all of them as a rule. */
static Py_ssize_t
put_items(PyObject *values, PyObject *found, Py_ssize_t total)
{
    Py_ssize_t at = 0;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(values); i++) {
        PyObject *value = Py_NewRef(PySequence_Fast_GET_ITEM(values, i));
        BEGIN_LOCKED(value);
        Py_ssize_t count = is_sequence(value) ? PySequence_Fast_GET_SIZE(value) : 0;
        PyObject **items = count ? PySequence_Fast_ITEMS(value) : NULL;
        for (Py_ssize_t k = 0; k < count && at < total; k++)
            PyList_SET_ITEM(found, at++, Py_NewRef(items[k]));
        END_LOCKED;
        Py_DECREF(value);
    }
    return at;
}

/* The items of exact lists and tuples as one list; NULL without an error if `values` are others. */
static PyObject *
flat(PyObject *values)
{
    Py_ssize_t total = total_of(values);
    PyObject *found = total < 0 ? NULL : PyList_New(total);
    if (found == NULL)
        return NULL;
    Py_ssize_t at = put_items(values, found, total);
    if (at < total) /* the allocation ran code that changed a list */
        Py_SET_SIZE(found, at);
    return found;
}

/* flatten(values): a list of the items of all values in order. */
static PyObject *
flatten(PyObject *module, PyObject *values)
{
    PyObject *found = NULL;
    if (is_sequence(values)) {
        BEGIN_LOCKED(values);
        found = flat(values);
        END_LOCKED;
    }
    if (found != NULL || PyErr_Occurred())
        return found;
    PyObject *outer = PyObject_GetIter(values), *value;
    found = outer == NULL ? NULL : PyList_New(0);
    while (found != NULL && (value = PyIter_Next(outer)) != NULL) {
        if (append_all(found, value) < 0)
            Py_CLEAR(found);
        Py_DECREF(value);
    }
    Py_XDECREF(outer);
    if (found != NULL && PyErr_Occurred())
        Py_CLEAR(found);
    return found;
}

/* What is there of values that may be None: (a list of these, a bit for each value); None if all are there. */
static PyObject *
present_locked(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values), there = 0, at = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        there += PySequence_Fast_GET_ITEM(values, i) != Py_None;
    if (there == count)
        Py_RETURN_NONE;
    PyObject *found = PyList_New(there);
    PyObject *bits = PyBytes_FromStringAndSize(NULL, count / 8 + (count % 8 != 0));
    if (found == NULL || bits == NULL) {
        Py_XDECREF(found);
        Py_XDECREF(bits);
        return NULL;
    }
    char *out = PyBytes_AS_STRING(bits);
    memset(out, 0, PyBytes_GET_SIZE(bits));
    for (Py_ssize_t i = 0; i < count && i < PySequence_Fast_GET_SIZE(values); i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        if (value != Py_None && at < there) {
            out[i >> 3] |= (char)(1 << (i & 7));
            PyList_SET_ITEM(found, at++, Py_NewRef(value));
        }
    }
    Py_SET_SIZE(found, at);
    return Py_BuildValue("(NN)", found, bits);
}

SEQUENCE_METHOD(present)

PyMethodDef items_methods[] = {
    {"are_distinct", are_distinct, METH_O, NULL},
    {"flatten", flatten, METH_O, NULL},
    {"present", present, METH_O, NULL},
    {"spaced", spaced, METH_VARARGS, NULL},
    {"tuples_apart", tuples_apart, METH_VARARGS, NULL},
    {"types_of", types_of, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
