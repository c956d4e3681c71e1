/* Building: the objects of a class from columns of values, and dictionaries from keys and values. */

#include "core.h"

#include <structmember.h>

/* What the slots of objects become: for each where it lies in an object, and a list with a value a row, or one for all. */
typedef struct {
    Py_ssize_t offset;
    PyObject *value;
} Slot;

enum { MOST_SLOTS = 8 };

/* Read `pairs`, a tuple of (slot descriptor of `cls`, value). How many there are; -1 with an error. */
static Py_ssize_t
open_slots(PyObject *pairs, PyTypeObject *cls, Py_ssize_t count, Slot *slots)
{
    Py_ssize_t found = PyTuple_GET_SIZE(pairs);
    if (found > MOST_SLOTS) {
        PyErr_SetString(PyExc_ValueError, "too many slots");
        return -1;
    }
    for (Py_ssize_t i = 0; i < found; i++) {
        PyObject *slot;
        if (!PyTuple_Check(PyTuple_GET_ITEM(pairs, i))) {
            PyErr_SetString(PyExc_TypeError, "a slot is a descriptor and a value");
            return -1;
        }
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(pairs, i), "O!O", &PyMemberDescr_Type, &slot, &slots[i].value))
            return -1;
        if (!PyType_IsSubtype(cls, PyDescr_TYPE(slot))) {
            PyErr_Format(PyExc_TypeError, "%s has no such slot", cls->tp_name);
            return -1;
        }
        if (PyList_CheckExact(slots[i].value) && PyList_GET_SIZE(slots[i].value) != count) {
            PyErr_SetString(PyExc_ValueError, "a slot has other rows");
            return -1;
        }
        const PyMemberDef *member = ((PyMemberDescrObject *)slot)->d_member;
        if (member->type != T_OBJECT_EX || member->flags) {
            PyErr_Format(PyExc_TypeError, "%s is no slot that a class declares", member->name);
            return -1;
        }
        slots[i].offset = member->offset;
    }
    return found;
}

/* Where a dictionary that shares its keys has its values, in the order of the keys; NULL if it has keys of its own. */
static inline PyObject **
values_of(PyObject *row)
{
#if defined(Py_GIL_DISABLED) || PY_VERSION_HEX >= 0x030F0000
    return NULL; /* known until CPython 3.14 */
#else
    char *values = (char *)((PyDictObject *)row)->ma_values;
    if (values == NULL)
        return NULL;
    return (PyObject **)(values + (PY_VERSION_HEX < 0x030D0000 ? 0 : sizeof(PyObject *)));
#endif
}

/* Whether copies of `empty` have their values where `values_of` looks, by a copy that is filled with its own keys.
   -1 with an error. */
static int
is_shared(PyObject *empty, PyObject *names)
{
    PyObject *row = PyDict_Copy(empty);
    if (row == NULL)
        return -1;
    Py_ssize_t count = PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < count; i++)
        if (PyDict_SetItem(row, PyTuple_GET_ITEM(names, i), PyTuple_GET_ITEM(names, i)) < 0) {
            Py_DECREF(row);
            return -1;
        }
    PyObject **values = values_of(row);
    int shared = values != NULL;
    for (Py_ssize_t i = 0; shared && i < count; i++)
        shared = values[i] == PyTuple_GET_ITEM(names, i);
    Py_DECREF(row);
    return shared;
}

/* What rows are copies of: a dictionary, its keys, and whether it shares them with the copies. */
typedef struct {
    PyObject *empty, *names;
    int shared;
} Pattern;

/* Row `at` of `columns`: a copy of the pattern, which keeps where its keys stand, with its values. */
static PyObject *
row_of(const Pattern *pattern, PyObject *columns, Py_ssize_t at)
{
    PyObject *row = PyDict_Copy(pattern->empty);
    PyObject **values = row != NULL && pattern->shared ? values_of(row) : NULL;
    int tracked = values == NULL;
    for (Py_ssize_t i = 0; row != NULL && i < PyTuple_GET_SIZE(columns); i++) {
        PyObject *value = list_item(PyTuple_GET_ITEM(columns, i), at);
        if (values != NULL && value != NULL) {
            Py_SETREF(values[i], value);
            if (!tracked && PyObject_IS_GC(value)) {
                tracked = 1;
                if (!PyObject_GC_IsTracked(row))
                    PyObject_GC_Track(row);
            }
            continue;
        }
        if (value == NULL || PyDict_SetItem(row, PyTuple_GET_ITEM(pattern->names, i), value) < 0)
            Py_CLEAR(row);
        Py_XDECREF(value);
    }
    return row;
}

/* Give an object its dictionary and slots. */
static int
fill(PyObject *made, PyObject *row, const Slot *slots, Py_ssize_t count, Py_ssize_t at)
{
    if (PyObject_GenericSetDict(made, row, NULL) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        int each = PyList_CheckExact(slots[i].value);
        PyObject *value = each ? list_item(slots[i].value, at) : Py_NewRef(slots[i].value);
        if (value == NULL)
            return -1;
        Py_XSETREF(*(PyObject **)((char *)made + slots[i].offset), value);
    }
    return 0;
}

/* The first object, as `object.__new__` makes it, which refuses classes that are abstract; others of its memory's shape. */
static PyObject *
new_object(PyTypeObject *cls, int first)
{
    if (!first)
        return cls->tp_alloc(cls, 0);
    PyObject *nothing = PyTuple_New(0);
    PyObject *made = nothing == NULL ? NULL : PyBaseObject_Type.tp_new(cls, nothing, NULL);
    Py_XDECREF(nothing);
    return made;
}

/* Objects for `count` rows. */
static PyObject *
models_of(PyTypeObject *cls, const Pattern *pattern, PyObject *columns, const Slot *slots, Py_ssize_t slot_count,
          Py_ssize_t count)
{
    PyObject *objects = PyList_New(count < 0 ? 0 : count);
    for (Py_ssize_t i = 0; objects != NULL && i < count; i++) {
        PyObject *row = row_of(pattern, columns, i);
        PyObject *made = row == NULL ? NULL : new_object(cls, i == 0);
        if (made == NULL || fill(made, row, slots, slot_count, i) < 0)
            Py_CLEAR(objects);
        else
            PyList_SET_ITEM(objects, i, Py_NewRef(made));
        Py_XDECREF(made);
        Py_XDECREF(row);
    }
    return objects;
}

/* build_models(cls, empty, columns, slots, count): `count` objects of a class of models. Their dictionaries are copies
   of `empty` with the values of `columns`, a list for each of its keys; `slots` are pairs of a slot's descriptor and a
   list of values, or one value for all. */
static PyObject *
build_models(PyObject *module, PyObject *args)
{
    PyTypeObject *cls;
    PyObject *empty, *columns, *pairs, *objects = NULL;
    Py_ssize_t count;
    Slot slots[MOST_SLOTS];
    if (!PyArg_ParseTuple(args, "O!O!O!O!n:build_models", &PyType_Type, &cls, &PyDict_Type, &empty, &PyTuple_Type,
                          &columns, &PyTuple_Type, &pairs, &count))
        return NULL;
    Py_ssize_t slot_count = open_slots(pairs, cls, count, slots);
    if (slot_count < 0)
        return NULL;
    PyObject *row = PyDict_Copy(empty); /* which nobody else can change */
    PyObject *names = row == NULL ? NULL : PySequence_Tuple(row);
    if (names == NULL)
        goto done;
    if (PyTuple_GET_SIZE(names) != PyTuple_GET_SIZE(columns)) {
        PyErr_Format(PyExc_ValueError, "%zd columns of %zd names", PyTuple_GET_SIZE(columns), PyTuple_GET_SIZE(names));
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(columns); i++) {
        PyObject *column = PyTuple_GET_ITEM(columns, i);
        if (!PyList_Check(column) || PyList_GET_SIZE(column) != count) {
            PyErr_Format(PyExc_ValueError, "column %zd is no list of %zd values", i, count);
            goto done;
        }
    }
    Pattern pattern = {row, names, is_shared(row, names)};
    if (pattern.shared >= 0)
        objects = models_of(cls, &pattern, columns, slots, slot_count, count);
done:
    Py_XDECREF(row);
    Py_XDECREF(names);
    return objects;
}

/* fill_map(found, keys, values): set the items of a dictionary. ValueError where there are other values than keys,
   TypeError at a key that has no hash. */
static PyObject *
fill_map(PyObject *module, PyObject *args)
{
    PyObject *found, *keys, *values;
    if (!PyArg_ParseTuple(args, "O!O!O!:fill_map", &PyDict_Type, &found, &PyList_Type, &keys, &PyList_Type, &values))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(keys);
    if (PyList_GET_SIZE(values) != count)
        return PyErr_Format(PyExc_ValueError, "%zd values for %zd keys", PyList_GET_SIZE(values), count);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *key = list_item(keys, i);
        PyObject *value = key == NULL ? NULL : list_item(values, i);
        int failed = value == NULL || PyDict_SetItem(found, key, value) < 0;
        Py_XDECREF(key);
        Py_XDECREF(value);
        if (failed)
            return NULL;
    }
    Py_RETURN_NONE;
}

PyMethodDef build_methods[] = {
    {"build_models", build_models, METH_VARARGS, NULL},
    {"fill_map", fill_map, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
