"""Answers people by mail: composes from templates, holds back what is too much, and hands to SMTP or Graph.

Knows templates, mail headers and SMTP; must not decide who earns an answer, nor touch the store or Redmine.
"""
