"""Email over SMTP."""

from pgdrip.smtp.provider import SmtpProvider

__all__ = ["SmtpProvider"]
