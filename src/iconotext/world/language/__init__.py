"""What the world says about its pictures: captions, questions, statements, choices, expressions, queries, in two languages.

Every text is rendered from a small logical form (a claim, a question, a description …) that was checked against the truth
of the scene, so that a text and its truth never part.
"""
