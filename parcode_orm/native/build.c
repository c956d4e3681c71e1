/* Building: the objects of a class from columns of values, and dictionaries from keys and values. */

#include "core.h"

#include <structmember.h>

/* What the slots of objects become: for each the descriptor's member, and a list with a value a row, or one for all. */
typedef struct {
    PyMemberDef *member;
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
        slots[i].member = ((PyMemberDescrObject *)slot)->d_member;
    }
    return found;
}

/* A dictionary of `names`, all None, whose copies need no more room for values. */
static PyObject *
empty_row(PyObject *names)
{
    PyObject *row = PyDict_New();
    for (Py_ssize_t i = 0; row != NULL && i < PyTuple_GET_SIZE(names); i++)
        if (PyDict_SetItem(row, PyTuple_GET_ITEM(names, i), Py_None) < 0)
            Py_CLEAR(row);
    return row;
}

/* Row `at` of `columns`: a copy of `empty`, which keeps where the names stand, with its values. */
static PyObject *
row_of(PyObject *empty, PyObject *names, PyObject *columns, Py_ssize_t at)
{
    PyObject *row = PyDict_Copy(empty);
    for (Py_ssize_t i = 0; row != NULL && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *value = list_item(PyTuple_GET_ITEM(columns, i), at);
        if (value == NULL || PyDict_SetItem(row, PyTuple_GET_ITEM(names, i), value) < 0)
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
        int failed = value == NULL || PyMember_SetOne((char *)made, slots[i].member, value) < 0;
        Py_XDECREF(value);
        if (failed)
            return -1;
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

/* build_models(cls, names, columns, slots, count): `count` objects of a class of models. Their dictionaries have the
   values of `columns`, a list for each of `names`; `slots` are pairs of a slot's descriptor and a list of values, or one
   value for all. */
static PyObject *
build_models(PyObject *module, PyObject *args)
{
    PyTypeObject *cls;
    PyObject *names, *columns, *pairs;
    Py_ssize_t count;
    Slot slots[MOST_SLOTS];
    if (!PyArg_ParseTuple(args, "O!O!O!O!n:build_models", &PyType_Type, &cls, &PyTuple_Type, &names, &PyTuple_Type,
                          &columns, &PyTuple_Type, &pairs, &count))
        return NULL;
    Py_ssize_t slot_count = open_slots(pairs, cls, count, slots);
    if (slot_count < 0)
        return NULL;
    if (PyTuple_GET_SIZE(names) != PyTuple_GET_SIZE(columns))
        return PyErr_Format(PyExc_ValueError, "%zd columns of %zd names", PyTuple_GET_SIZE(columns),
                            PyTuple_GET_SIZE(names));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(columns); i++) {
        PyObject *column = PyTuple_GET_ITEM(columns, i);
        if (!PyList_Check(column) || PyList_GET_SIZE(column) != count)
            return PyErr_Format(PyExc_ValueError, "column %zd is no list of %zd values", i, count);
    }
    PyObject *empty = empty_row(names), *objects = empty == NULL ? NULL : PyList_New(count < 0 ? 0 : count);
    for (Py_ssize_t i = 0; objects != NULL && i < count; i++) {
        PyObject *row = row_of(empty, names, columns, i);
        PyObject *made = row == NULL ? NULL : new_object(cls, i == 0);
        if (made == NULL || fill(made, row, slots, slot_count, i) < 0)
            Py_CLEAR(objects);
        else
            PyList_SET_ITEM(objects, i, Py_NewRef(made));
        Py_XDECREF(made);
        Py_XDECREF(row);
    }
    Py_XDECREF(empty);
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
